#!/usr/bin/env node
import { systemMessage } from './input/inputs.js'
import { main } from './main.js'

const { stdin, stdout, stderr, env } = process

stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return // `… | head` closes the pipe when it has seen enough
  stderr.write(`fastify-read-guard: cannot write standard output: ${systemMessage(error)}\n`)
  process.exitCode = 2
})
stderr.on('error', () => {}) // there is nowhere left to say it

const status = await main(process.argv.slice(2), { stdin, stdout, stderr, env, now: Date.now })
process.exitCode ??= status
