import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import { routePattern } from '../../lib/report/tally/route-pattern.js'
import { abortLine, jsonOf, noon, run } from '../support/app/report-log.js'

interface Request {
  readonly method?: string
  readonly url: string
  readonly ms?: number
  readonly status?: number
  readonly pid?: number
  readonly hostname?: string
}

/** Fastify's two lines about each request, all beginnings first where `apart`. */
function requestLines (requests: readonly Request[], apart = false): string[] {
  const about = ({ pid = 1, hostname = 'web-1' }: Request, index: number) => ({ level: 30, time: noon + index * 1000, pid, hostname, reqId: `req-${index.toString(36)}` })
  const begun = requests.map((request, index) => JSON.stringify({ ...about(request, index), req: { method: request.method ?? 'POST', url: request.url, host: 'a' }, msg: 'incoming request' }))
  const over = requests.map((request, index) => JSON.stringify({ ...about(request, index), res: { statusCode: request.status ?? 200 }, responseTime: request.ms ?? 5.25, msg: 'request completed' }))
  return apart ? [...begun, ...over] : begun.flatMap((line, index) => [line, over[index] ?? ''])
}

const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))
const requestsOf = async (lines: readonly string[], route: string, ...args: string[]) => (await jsonOf(lines, ...args)).failed.routes.find(row => row.route === route)?.requests

t.test('of how many requests reads failed is told, in all and by route, and how many an hour', async t => {
  const lines = [...requestLines([...times(300, index => ({ url: `/upload?n=${index}` })), ...times(100, () => ({ url: '/other', method: 'GET' }))]), ...times(6, () => abortLine())]
  const report = await jsonOf(lines)
  t.match(report.requests, { completed: 400, exchanges: 400, perHour: 3609.02, failedShare: 0.015 })
  t.match(report.failed.routes, [{ route: '/upload', requests: { count: 300, atMost: 300 } }])
  t.match(report.failed.advice, [{ route: '/upload', requests: { count: 300 } }])
  t.equal(report.hours, 0.1108)
  t.match(report.failed.groups, [{ count: 6, perHour: 54.14 }])
  const { stdout } = await run(['report'], { stdin: lines.join('\n') })
  const said = stdout.replaceAll(/\s+/g, ' ')
  t.match(said, '400 requests completed in 6.65 min, 3,609 per hour.')
  t.match(said, '6 reads failed, of 400 requests (1.5%), 54.1 per hour: ')
  t.match(stdout, /^\/upload {2}6 of 300 requests \(2\.0%\)$/m)
  t.match(said, 'A limit cut all 6 reads that failed here: 6 of 300 requests (2.0%).')
  const page = join(t.testdir(), 'page.html')
  await run(['report', '--html', page], { stdin: lines.join('\n') })
  t.match(readFileSync(page, 'utf8'), /data-json="failed\.routes\.0\.requests\.count" data-value="300"/)
})

t.test('a request of any path belongs to the route that a record names, whether it comes before or after', async t => {
  const requests = [...times(50, index => ({ url: `/items/${index}`, method: 'PUT' })), ...times(9, () => ({ url: '/items/1', method: 'GET' })), { url: '/items/1/parts', method: 'PUT' }, { url: '/items', method: 'PUT' }]
  const record = abortLine({ route: '/items/:id', method: 'PUT' })
  for (const apart of [false, true]) {
    const lines = requestLines(requests, apart)
    for (const at of [0, 1, 60, 61, lines.length]) t.same(await requestsOf([...lines.slice(0, at), record, ...lines.slice(at)], '/items/:id'), { count: 50, atMost: 50 }, `a record behind ${at} lines, ${apart ? 'all requests at a time' : 'one by one'}`)
  }
})

t.test('requests of several processes are not mixed up', async t => {
  const of = (url: string, process: { pid?: number, hostname?: string }) => requestLines(times(20, () => ({ url, ...process })), true)
  const [one, two, three] = [of('/upload', { pid: 1 }), of('/other', { pid: 2 }), of('/third', { hostname: 'web-2' })]
  const mixed = one.flatMap((line, index) => [line, two[index] ?? '', three[index] ?? ''])
  t.same(await requestsOf([abortLine(), ...mixed], '/upload'), { count: 20, atMost: 20 })
})

t.test('of too many paths the count is a bound, and says so', async t => {
  const lines = [...requestLines(times(3000, index => ({ url: `/items/${index}`, method: 'PUT' }))), ...times(6, () => abortLine({ route: '/items/:id', method: 'PUT' }))]
  const requests = await requestsOf(lines, '/items/:id')
  t.ok(requests !== null && requests !== undefined && requests.count >= 1000 && requests.count < 3000 && requests.atMost === 3000, JSON.stringify(requests))
  t.match((await run(['report'], { stdin: lines.join('\n') })).stdout, /6 of at least [\d,]+ requests \(at most 0\.\d%\)/)
  t.same(await requestsOf([abortLine({ route: '/items/:id', method: 'PUT' }), ...lines], '/items/:id'), { count: 3000, atMost: 3000 }, 'known from the start, they are all counted')
})

t.test('heads that failed are no requests, and are added to them', async t => {
  const head = abortLine({ reason: 'headers_timeout', phase: 'headers', route: undefined, reqId: undefined, method: undefined })
  t.match((await jsonOf([...requestLines(times(90, () => ({ url: '/' }))), ...times(10, () => head)])).requests, { completed: 90, exchanges: 100, failedShare: 0.1 })
})

t.test('where not every request is logged no share is made up', async t => {
  const lines = [...requestLines([{ url: '/upload' }]), ...times(6, () => abortLine())]
  t.match((await jsonOf(lines)).requests, { completed: 1, failedShare: null })
  t.notMatch((await run(['report'], { stdin: lines.join('\n') })).stdout, /of 1 request/)
  t.equal((await jsonOf([abortLine()])).requests, null)
})

t.test('--since, --until and --route hold for requests as well', async t => {
  const lines = [abortLine(), abortLine({ route: '/b' }), ...requestLines([...times(60, () => ({ url: '/upload' })), ...times(60, () => ({ url: '/b' })), { url: '/c' }])]
  t.match((await jsonOf(lines, '--since', '2025-03-01T12:00:30')).requests, { completed: 91 })
  t.match((await jsonOf(lines, '--until', '2025-03-01T12:00:30')).requests, { completed: 30 })
  t.match((await jsonOf(lines, '--route', '/b')).requests, { completed: 60 })
})

t.test('lines of pino-http, with the request in them, and with messages of one\'s own are counted too', async t => {
  const line = (fields: object) => JSON.stringify({ level: 30, time: noon, pid: 1, hostname: 'a', ...fields })
  const lines = [
    line({ req: { id: 1, method: 'POST', url: '/upload' }, res: { statusCode: 200 }, responseTime: 12, msg: 'request completed' }),
    line({ req: { id: 2, method: 'POST', url: '/upload' }, res: { statusCode: 500 }, err: { message: 'x' }, responseTime: 12, msg: 'request errored' }),
    line({ responseTime: 12, req: { method: 'POST', url: '/upload' }, msg: 'POST /upload took 12 ms' }),
    line({ payload: { req: { method: 'POST', url: '/upload' }, res: { statusCode: 200 }, responseTime: 3 }, msg: 'request completed' }),
    line({ body: { responseTime: 12, x: 'request completed' }, msg: 'got' }),
    line({ responseTime: 'long', msg: 'got' })
  ]
  t.same(await requestsOf([abortLine(), ...lines], '/upload'), { count: 4, atMost: 4 })
})

t.test('the lines of a real Fastify are understood', async t => {
  let written = ''
  const stream = new Writable({ write (chunk, _encoding, done) { written += String(chunk); done() } })
  const app = Fastify({ logger: { stream } })
  app.get('/items/:id', async () => 'x')
  for (let index = 0; index < 10; index++) await app.inject(`/items/${index}?a=1`)
  await app.close()
  const lines = written.trimEnd().split('\n')
  t.same(await requestsOf([...lines, abortLine({ route: '/items/:id', method: 'GET' })], '/items/:id'), { count: 10, atMost: 10 })
})

t.test('a path belongs to a pattern as in Fastify\'s router', async t => {
  const patterns = ['/', '/a', '/a/:id', '/a/:id/b', '/a/:id?', '/files/*', '/v::1/:x', '/at/:hour-:minute', '/img/:name.png', '*']
  const paths = ['/', '/a', '/a/1', '/a/1/b', '/a/1/c', '/a/', '/files/', '/files/a/b', '/v:1/2', '/at/1-2', '/img/a.png', '/x', '/b/c/d']
  for (const pattern of patterns) {
    const app = Fastify()
    app.get(pattern, async () => 'x')
    for (const path of paths) {
      const { statusCode } = await app.inject(path)
      t.equal(routePattern(pattern).matches(path), statusCode === 200, `${path} and ${pattern}`)
    }
    await app.close()
  }
  const ranked = ['/a/*', '/a/:id', '/a/b'].map(pattern => ({ pattern, rank: routePattern(pattern).rank })).sort((a, b) => a.rank < b.rank ? -1 : 1)
  t.same(ranked.map(({ pattern }) => pattern), ['/a/b', '/a/:id', '/a/*'], 'the most special first')
})
