// Processes that are asked, so that what clients and measuring cost is not part of what the server costs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Starts a file of this folder in a process of its own; `ask` calls what it answers by name. */
export async function startChild (name, flags = []) {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, [...flags, file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map()
  let last = 0
  let stopping = false
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) resolve(result)
    else reject(new Error(`${name}: ${error}`))
  })
  child.on('exit', (code, signal) => {
    if (!stopping) for (const { reject } of waiting.values()) reject(new Error(`${name} ended with ${code ?? signal}`))
  })
  const ask = (command, ...args) => new Promise((resolve, reject) => {
    const id = ++last
    waiting.set(id, { resolve, reject })
    child.send({ id, command, args })
  })
  const stop = async () => {
    stopping = true
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  return { pid: child.pid, ask, stop }
}

/** In the process that was started: what it can be asked. It ends when whoever asks is gone. */
export function answer (commands) {
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, command, args }) => {
    try {
      process.send({ id, result: await commands[command](...args) })
    } catch (error) {
      process.send({ id, error: error.stack })
    }
  })
}
