// Processes that are asked, so that what clients and measuring cost is not part of what the server costs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * The files that can be started, and what each can be asked.
 * @typedef {{
 *   'client-process.js': import('./client-process.js').Commands
 *   'server-process.js': import('./server-process.js').Commands
 *   'simulated-connections.js': import('./simulated-connections.js').Commands
 *   'no-network.js': import('./no-network.js').Commands
 *   'linger-attack-server.js': import('./linger-attack-server.js').Commands
 *   'peers/node-server.js': import('./peers/node-server.js').Commands
 *   'soak/server-process.js': import('./soak/server-process.js').Commands
 *   'soak/client-process.js': import('./soak/client-process.js').Commands
 * }} Programs
 */

/**
 * What can be called by its name in another process.
 * @typedef {Record<string, (...args: never[]) => unknown>} AnyCommands
 */

/**
 * @template {AnyCommands} C
 * @typedef {object} Child
 * @property {number} pid
 * @property {<Name extends keyof C>(command: Name, ...args: Parameters<C[Name]>) => Promise<Awaited<ReturnType<C[Name]>>>} ask
 * @property {() => Promise<void>} stop
 */

/** @typedef {Child<import('./client-process.js').Commands>} Client */

/**
 * Starts a file of this folder in a process of its own; `ask` calls what it answers by name.
 *
 * @template {keyof Programs} Name
 * @param {Name} name
 * @param {readonly string[]} [flags] of Node's
 * @returns {Promise<Child<Programs[Name]>>}
 */
export async function startChild (name, flags = []) {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, ['--disable-warning=FST_READ_NO_LOG', ...flags, file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} what comes is of the type that the command returns */
  const waiting = new Map()
  let last = 0
  let stopping = false
  child.on('message', (message) => {
    const { id, result, error } = /** @type {Answer} */ (message)
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(result)
    else asked?.reject(new Error(`${name}: ${error}`))
  })
  child.on('exit', (code, signal) => {
    if (!stopping) for (const { reject } of waiting.values()) reject(new Error(`${name} ended with ${code ?? signal}`))
  })
  /** @type {Child<Programs[Name]>['ask']} */
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
  return { pid: Number(child.pid), ask, stop }
}

/**
 * What goes from one process to the other.
 * @typedef {{ id: number, command: string, args: never[] }} Question
 * @typedef {{ id: number, result?: unknown, error?: string }} Answer
 */

/**
 * @param {AnyCommands} commands
 * @param {Question} question
 * @returns {Promise<Answer>}
 */
async function answerTo (commands, { id, command, args }) {
  try {
    return { id, result: await commands[command]?.(...args) }
  } catch (error) {
    return { id, error: String(error instanceof Error ? error.stack : error) }
  }
}

/**
 * In the process that was started: what it can be asked. It ends when the process that asks is gone.
 *
 * @param {AnyCommands} commands
 */
export function answer (commands) {
  process.on('disconnect', () => process.exit())
  process.on('message', async (message) => {
    process.send?.(await answerTo(commands, /** @type {Question} */ (message)))
  })
}
