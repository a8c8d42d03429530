#!/usr/bin/env node
import { main } from './main.js'

// `… | head` closes the pipe when it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const { stdin, stdout, stderr, env } = process
process.exitCode = await main(process.argv.slice(2), { stdin, stdout, stderr, env, now: Date.now })
