import 'reflect-metadata'
import { Readable } from 'node:stream'
import multipart, { type MultipartFile } from '@fastify/multipart'
import { Body, Catch, Controller, HttpException, Module, Post, Req, type ArgumentsHost, type RawBodyRequest } from '@nestjs/common'
import { APP_FILTER, BaseExceptionFilter, NestFactory } from '@nestjs/core'
import { FastifyAdapter, RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import readGuard, { isReadError, type AbortRecord, type ReadGuardRouteOptions } from '../../lib/index.js'
import { pasteable } from '../support/app/documents.js'
import type { LogLine } from '../support/app/guarded-app.js'
import { startPasted } from '../support/app/pasted-programs.js'
import { chunk, head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { bytesFor } from './support.js'

const LIMIT = 400
const limits = { bodyIdleTimeout: LIMIT, linger: { timeout: 200 } } satisfies ReadGuardRouteOptions

@Controller()
class NotesController {
  @Post('notes')
  @RouteConfig({ readGuard: limits })
  save (@Body() note: unknown): unknown {
    return { saved: note }
  }

  @Post('signed')
  @RouteConfig({ readGuard: limits })
  sign (@Req() { rawBody }: RawBodyRequest<FastifyRequest>): unknown {
    return { raw: rawBody?.toString() }
  }

  @Post('files')
  @RouteConfig({ readGuard: limits })
  async keep (@Req() request: FastifyRequest & { file (): Promise<MultipartFile | undefined> }): Promise<unknown> {
    let bytes = 0
    for await (const part of (await request.file())?.file ?? Readable.from([])) bytes += (part as Buffer).length
    return { bytes }
  }
}

interface Running {
  readonly port: number
  readonly records: readonly AbortRecord[]
  readonly log: readonly LogLine[]
  /** What the filter was called with. */
  readonly seen: readonly unknown[]
}

/** @param filter `own` keeps the code, as documented; `Nest's` is the one that there is without any */
async function nest (t: Test, { filter = 'own', isGuarded = true }: { readonly filter?: 'own' | 'Nest\'s', readonly isGuarded?: boolean } = {}): Promise<Running> {
  const records: AbortRecord[] = []
  const log: LogLine[] = []
  const seen: unknown[] = []

  @Catch()
  class ReadErrorFilter extends BaseExceptionFilter {
    override catch (error: unknown, host: ArgumentsHost): void {
      seen.push(error)
      const read = [error, (error as Error).cause].find(isReadError)
      if (read === undefined || filter !== 'own') return super.catch(error, host)
      host.switchToHttp().getResponse<FastifyReply>().code(read.statusCode ?? 500).send({ code: read.code })
    }
  }

  @Module({ controllers: [NotesController], providers: [{ provide: APP_FILTER, useClass: ReadErrorFilter }] })
  class AppModule {}

  const stream = { write: (line: string) => { log.push(JSON.parse(line) as LogLine) } }
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter({ logger: { level: 'info', stream } }), { rawBody: true, logger: false })
  t.teardown(() => app.close())
  await app.register(multipart)
  if (isGuarded) await app.register(readGuard, { onAbort: (record) => { records.push(record) } })
  await app.listen(0, '127.0.0.1')
  const { port } = app.getHttpServer().address() as { port: number }
  return { port, records, log, seen }
}

const form = { 'Content-Type': 'multipart/form-data; boundary=cut' }
const json = { 'Content-Type': 'application/json' }
const file = '--cut\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\nhalf a fi'

const bodies: ReadonlyArray<readonly [what: string, url: string, headers: Readonly<Record<string, string>>, begin: string, rest: string, answer: object]> = [
  ['a JSON body', '/notes', json, '{"a":', '1}', { saved: { a: 1 } }],
  ['a body with rawBody', '/signed', json, '{ "a": ', '1 }', { raw: '{ "a": 1 }' }],
  ['a multipart upload', '/files', form, file, 'le\r\n--cut--\r\n', { bytes: 11 }]
]

for (const [what, url, headers, begin, rest, json] of bodies) {
  t.test(`${what} that comes whole is answered with the same bytes as without the guard`, async (t) => {
    const [guarded, stock] = [await nest(t), await nest(t, { isGuarded: false })]
    const request = head('POST', url, { ...headers, 'Content-Length': begin.length + rest.length, Connection: 'close' }) + begin + rest
    const bytes = await bytesFor(guarded.port, request)
    t.match(onlyAnswer({ text: bytes }), { statusCode: 201, json })
    t.equal(bytes, await bytesFor(stock.port, request))
    t.strictSame([guarded.records, guarded.seen], [[], []])
  })

  t.test(`${what} that stalls gives the filter the error of the read, the client its code, and the log one record`, async (t) => {
    const { port, records, log, seen } = await nest(t)
    const client = new RawClient(port)
    await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(begin))
    t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
    t.equal(seen.length, 1)
    t.ok([seen[0], (seen[0] as Error).cause].some(isReadError))
    t.match(records, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: url, limit: LIMIT, received: begin.length, answered: true }])
    t.equal(log.filter(({ abort }) => abort !== undefined).length, 1)
  })

  t.test(`${what} whose client leaves is one record, and the filter is told`, async (t) => {
    const { port, records, log, seen } = await nest(t)
    const client = new RawClient(port)
    await client.write(head('POST', url, { ...headers, 'Transfer-Encoding': 'chunked' }) + chunk(begin))
    await until(() => log.some(({ msg }) => msg === 'incoming request'), 'it has come')
    client.rst()
    await until(() => seen.length > 0 && log.some(({ msg }) => msg === 'request completed'), 'it is over')
    t.match(records, [{ code: 'FST_READ_ABORTED', route: url, statusCode: 499, answered: false }])
    t.equal(records.length, 1)
    t.match(log.filter(({ msg }) => msg === 'request completed'), [{ res: { statusCode: 499 } }])
    t.equal(seen.length, 1)
  })
}

t.test('Nest\'s own filter answers with the status, and without the code', async (t) => {
  const { port, records, seen } = await nest(t, { filter: 'Nest\'s' })
  const client = new RawClient(port)
  await client.write(head('POST', '/notes', { ...json, 'Content-Length': 7 }) + '{"a":')
  const { statusCode, json: body } = onlyAnswer(await client.closed)
  t.match([statusCode, body], [408, { statusCode: 408, message: String }])
  t.equal(body['code'], undefined)
  t.match(seen, [HttpException])
  t.ok(isReadError((seen[0] as Error).cause))
  t.equal(records.length, 1)
})

for (const kind of ['ESM', 'CommonJS'] as const) {
  t.test(`as documented, in ${kind}: a note is saved, and one that stalls is answered with its code and recorded once`, { timeout: 60_000 }, async (t) => {
    const [snippet, ...others] = pasteable.filter(({ source }) => source === 'examples/nest.ts')
    if (snippet === undefined || others.length > 0) throw new Error('it is in one document')
    const { started, stderr, log, stop } = await startPasted([snippet], {}, kind)
    t.teardown(stop)
    const port = started.get(snippet)?.port
    t.ok(port, 'it listens', { stderr: stderr() })
    const saved = await bytesFor(port ?? 0, head('POST', '/notes', { ...json, 'Content-Length': 7, Connection: 'close' }) + '{"a":1}')
    t.match(onlyAnswer({ text: saved }), { statusCode: 201, json: { saved: { a: 1 } } })
    const client = new RawClient(port ?? 0)
    await client.write(head('POST', '/notes', { ...json, 'Content-Length': 7 }) + '{"a":')
    t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { statusCode: 408, code: 'FST_READ_BODY_IDLE_TIMEOUT', error: 'Request Timeout', message: String } })
    await until(() => log.some(({ abort }) => abort !== undefined), 'the record')
    const aborts = log.flatMap(({ abort }) => abort ?? [])
    t.match(aborts, [{ code: 'FST_READ_BODY_IDLE_TIMEOUT', route: '/notes', limit: 1_000 }])
    t.equal(aborts.length, 1)
  })
}
