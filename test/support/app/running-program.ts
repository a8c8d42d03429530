import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AbortRecord } from '../../../lib/index.js'
import { until } from '../oracle/until.js'
import type { LogLine } from './guarded-app.js'
import { fastifyFolder } from './packed.js'

/** A program at work, in a process of its own, that logs as Fastify does. */
export interface RunningProgram {
  readonly port: number
  readonly pid: number
  readonly log: readonly LogLine[]
  /** The abort records it has logged. */
  records: () => AbortRecord[]
  /** Resolves with them once there are at least so many. */
  recorded: (count: number) => Promise<AbortRecord[]>
  /** Resolves with its exit status. */
  stop: () => Promise<number | null>
}

async function stop (child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill()
  await exited
  return child.exitCode
}

/**
 * Starts a program on a free port; resolves when it says that it listens.
 *
 * @param args of Node's
 */
export async function startProgram (name: string, args: readonly string[], { env = {}, cwd }: { readonly env?: NodeJS.ProcessEnv, readonly cwd?: string } = {}): Promise<RunningProgram> {
  const child = spawn(process.execPath, args, { cwd, env: { PATH: process.env.PATH, PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: LogLine[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  createInterface({ input: child.stdout }).on('line', (line) => { log.push(JSON.parse(line) as LogLine) })
  const port = (): number => Number(log.map(({ msg }) => /listening at http:\/\/\S+:(\d+)/.exec(msg)?.[1]).find(Boolean))
  const records = (): AbortRecord[] => log.flatMap(({ abort }) => abort ?? [])
  try {
    await until(() => port() > 0 || child.exitCode !== null, `${name} listens`, 20_000)
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`${name} ended: ${stderr}`)
  } catch (error) {
    await stop(child)
    throw error
  }
  return {
    port: port(),
    pid: child.pid,
    log,
    records,
    recorded: async (count) => {
      await until(() => records().length >= count, `${count} records of ${name}`)
      return records()
    },
    stop: () => stop(child)
  }
}

/**
 * Starts `examples/<name>.js`.
 *
 * @param args of Node's, before the file
 */
export function startExample (name: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []): Promise<RunningProgram> {
  const file = fileURLToPath(new URL(`../../../examples/${name}.js`, import.meta.url))
  const loader = fastifyFolder === 'fastify' ? [] : [`--import=${new URL('../fastify-next.js', import.meta.url).href}`]
  return startProgram(name, [...loader, ...args, file], { env })
}
