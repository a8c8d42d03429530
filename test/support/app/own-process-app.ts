import { createReadStream, openSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import pino from 'pino'
import readGuard, { type AbortRecord, type ReadGuardOptions } from '../../../lib/index.js'
import { serverKind, type Protocol } from './transport.js'

/*
 * An application under guard in a process of its own, which its first argument describes. It tells its port, and answers what it is
 * asked, over IPC: its log may be what fails.
 */

export interface OwnProcessOptions {
  readonly protocol: Protocol
  readonly guard: ReadGuardOptions
  /** Its log goes to standard output. */
  readonly log?: {
    readonly level: string
    /** Whether a line that can't be written throws; otherwise it is an error of the destination, which is listened to. */
    readonly isSync?: boolean
  }
}

/** What the process tells of itself. */
export interface OwnProcessFacts {
  readonly records: readonly AbortRecord[]
  readonly aborted: Readonly<Record<string, number>>
  readonly reading: Readonly<Record<string, number>>
  /** Codes of the warnings of the process. */
  readonly warnings: readonly string[]
  /** Errors of the log's destination. */
  readonly logErrors: readonly string[]
}

export type Question = 'facts' | 'close'

const LARGE = 24_000_000
const { protocol, guard, log } = JSON.parse(process.argv[2] ?? '') as OwnProcessOptions // given by the process that starts it

const records: AbortRecord[] = []
const warnings: string[] = []
const logErrors: string[] = []
process.on('warning', (warning: Error & { code?: string }) => { warnings.push(warning.code ?? warning.name) })

function logger (): FastifyServerOptions {
  if (log === undefined) return {}
  const { isSync: sync = false } = log
  const destination = pino.destination({ dest: 1, sync })
  if (!sync) destination.on('error', (error: NodeJS.ErrnoException) => { logErrors.push(error.code ?? error.message) })
  return { loggerInstance: pino({ level: log.level }, destination) }
}

const app = fastify({ ...logger(), ...serverKind(protocol) } as FastifyServerOptions) as FastifyInstance
await app.register(readGuard, { logLimit: false, ...guard, onAbort: (record) => { records.push(record) } })
app.addContentTypeParser('application/x-stream', (_request, _payload, done) => done(null))
app.get('/', async () => 'fine')
app.post('/', async (request) => {
  if (typeof request.body === 'string') return { bytes: request.body.length }
  let bytes = 0
  for await (const part of request.raw) bytes += (part as Buffer).length
  return { bytes }
})
app.get('/large', async () => Buffer.alloc(LARGE))
app.get('/events', (_request, reply) => {
  const events = new PassThrough()
  events.write('data: begun\n\n')
  reply.type('text/event-stream').send(events)
})
/** It needs a file. */
app.post('/file', async (request, reply) => {
  await request.raw.toArray()
  return reply.send(createReadStream('/dev/null'))
})
/** It writes so many lines, each of 1 KB. */
app.get<{ Params: { count: string } }>('/log/:count', async (request) => {
  for (let i = 0; i < Number(request.params.count); i++) request.log.warn({ filling: 'x'.repeat(1_000) }, 'a line')
  return 'written'
})
/** It keeps files open until there is no other one. */
app.get('/exhaust', async () => {
  try {
    for (;;) openSync('/dev/null', 'r')
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code } // of `openSync`
  }
})

let isClosing = false
// Without the process that asks there is nothing to do.
process.on('disconnect', () => { if (!isClosing) process.exit() })

async function answer (question: Question): Promise<OwnProcessFacts | 'closed'> {
  if (question === 'facts') {
    const { aborted, reading } = app.readGuard.stats()
    return { records, aborted, reading, warnings, logErrors }
  }
  isClosing = true
  await app.close()
  return 'closed'
}

process.on('message', (question: Question) => {
  answer(question).then((told) => {
    process.send?.({ told })
    // Nothing of the application is to keep the process.
    if (question === 'close') process.disconnect()
  })
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as AddressInfo).port }) // it listens on a port
