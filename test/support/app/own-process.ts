import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { OwnProcessFacts, OwnProcessOptions, Question } from './own-process-app.js'

export interface OwnProcess {
  readonly port: number
  readonly child: ChildProcess
  readonly facts: () => Promise<OwnProcessFacts>
  /** Closes the application. */
  readonly close: () => Promise<void>
  /** Closes it; resolves with the exit status of the process, which then has nothing left to do. */
  readonly end: () => Promise<number | null>
  /** What it has said on standard error. */
  readonly stderr: () => string
}

export interface OwnProcessSetting {
  /** Where its standard output goes; nowhere by default. */
  readonly stdout?: 'pipe' | number
  /** Files that it may have open. */
  readonly files?: number
}

const file = fileURLToPath(new URL('own-process-app.ts', import.meta.url))
const NODE = ['--import=./test/support/transpile.js', file]
/** So long it may take to close, and to end. */
const CLOSING = 10_000

interface Message {
  readonly port?: number
  readonly told?: unknown
}

/** Starts `own-process-app.ts`; it is ended with the test. */
export async function ownProcess (t: Test, options: OwnProcessOptions, { stdout, files }: OwnProcessSetting = {}): Promise<OwnProcess> {
  const stdio: StdioOptions = ['ignore', stdout ?? 'ignore', 'pipe', 'ipc']
  const args = [...NODE, JSON.stringify(options)]
  const child = files === undefined
    ? spawn(process.execPath, args, { stdio })
    : spawn('sh', ['-c', `ulimit -n ${files}; exec "$0" "$@"`, process.execPath, ...args], { stdio })
  const exited = once(child, 'exit') as Promise<[code: number | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { said += text })

  /** What tests are started with sends messages of its own. */
  function next<Told> (key: keyof Message): Promise<Told> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: Message): void => {
        if (!(key in message)) return
        child.off('message', onMessage)
        resolve(message[key] as Told)
      }
      child.on('message', onMessage)
      exited.then(([code]) => reject(new Error(`the process ended with ${code ?? child.signalCode}: ${said}`)))
    })
  }

  async function ask<Told> (question: Question): Promise<Told> {
    const told = next<Told>('told')
    child.send(question)
    return told
  }

  function inTime<T> (end: Promise<T>): Promise<T> {
    const late = delay(CLOSING, undefined, { ref: false }).then(() => { throw new Error(`it has not closed after ${CLOSING} ms: ${said}`) })
    return Promise.race([end, late])
  }

  const port = await next<number>('port')
  return {
    port,
    child,
    facts: () => ask<OwnProcessFacts>('facts'),
    close: () => inTime(ask('close')),
    end: () => inTime(ask('close').then(() => exited).then(([code]) => code)),
    stderr: () => said
  }
}
