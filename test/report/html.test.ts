import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pageStyle } from '../../lib/report/html/html-style.js'
import { reportedReasons } from '../../lib/report/reasons.js'
import { abortLine, logOf, noon, requestLine, run, variedRecords } from '../support/app/report-log.js'
import { dumpDom, findChromium, layoutFaults } from '../support/client/report-browser.js'
import { contrast } from '../support/oracle/contrast.js'

const chromium = findChromium()
const noChromium = chromium === undefined && 'there is no chromium on this machine'
const suppressed = `${JSON.stringify({ time: noon, abortsSuppressed: 1900, period: 10_000, msg: '1900 records of aborted request reads were left out of the log' })}\n`
const log = logOf(variedRecords(3000)) + suppressed

const directory = t.testdir()

/** The page and the JSON of one run. */
async function pageOf (stdin: string, ...args: string[]) {
  const file = join(directory, `page-${Math.random()}.html`)
  const { stdout, stderr } = await run(['report', '--json', '--html', file, ...args], { stdin })
  if (stderr !== '') throw new Error(stderr)
  return { file, page: readFileSync(file, 'utf8'), json: JSON.parse(stdout) }
}

function numbersIn (page: string): [string, number][] {
  return [...page.matchAll(/data-json="([^"]*)" data-value="([^"]*)"/g)].map(([, path = '', value]) => [path, Number(value)])
}

function resolve (json: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], json)
}

function compare (t: Test, page: string, json: unknown): void {
  const numbers = numbersIn(page)
  const wrong = numbers.filter(([path, value]) => resolve(json, path) !== value)
  t.same(wrong, [], `${numbers.length} numbers`)
}

/** That nothing is missing: a few whole lists of the JSON are in the page. */
function complete (t: Test, page: string, json: ReturnType<typeof JSON.parse>): void {
  const paths = new Set(numbersIn(page).map(([path]) => path))
  for (const section of ['failed', 'observed']) {
    const { groups, clients, timeline, routes, receivedShare } = json[section]
    for (const index of groups.keys()) t.ok(paths.has(`${section}.groups.${index}.count`) && paths.has(`${section}.groups.${index}.elapsed.p95`))
    for (const index of clients.keys()) t.ok(paths.has(`${section}.clients.${index}.count`))
    for (const [index, { reasons }] of timeline.buckets.entries()) {
      for (const reason of Object.keys(reasons)) t.ok(paths.has(`${section}.timeline.buckets.${index}.reasons.${reason}`))
    }
    for (const index of routes.slice(0, 10).keys()) t.ok(paths.has(`${section}.routes.${index}.count`))
    for (const [index, { count }] of receivedShare.bins.entries()) t.equal(paths.has(`${section}.receivedShare.bins.${index}.count`), count > 0)
  }
}

t.test('every number of the page is the one of --json', async t => {
  for (const grouping of [[], ['--group-by', 'route'], ['--group-by', 'reason'], ['--group-by', 'client'], ['--group-by', 'hour']]) {
    const { page, json } = await pageOf(log, ...grouping)
    compare(t, page, json)
    if (grouping.length === 0) complete(t, page, json)
  }
})

t.test('the numbers that a browser shows are the ones of --json', { skip: noChromium }, async t => {
  const { file, json } = await pageOf(log)
  const dom = await dumpDom(chromium ?? '', `file://${file}`)
  compare(t, dom, json)
  complete(t, dom, json)
})

t.test('the page needs nothing but itself, and no script', async t => {
  const { page } = await pageOf(log)
  t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(|https?:|src=|\son\w+=/i)
  t.match(page, "default-src 'none'")
})

t.test('moments of less than a minute can be told apart', async t => {
  const stdin = Array.from({ length: 40 }, (_, second) => abortLine({ time: new Date(noon + second * 1000).toISOString() })).join('\n')
  const { page } = await pageOf(stdin)
  t.match(page, '2025-03-01 12:00:00 to 2025-03-01 12:00:39 UTC')
  for (const second of ['00', '17', '39']) {
    t.match(page, `<td class="text" data-head="From (UTC)">2025-03-01 12:00:${second}</td>`)
    t.match(page, `<title>2025-03-01 12:00:${second} UTC: `)
  }
  const hours = Array.from({ length: 40 }, (_, hour) => abortLine({ time: new Date(noon + hour * 3_600_000).toISOString() })).join('\n')
  t.match((await pageOf(hours)).page, '<td class="text" data-head="From (UTC)">2025-03-01 13:00</td>')
})

t.test('records without a time are mentioned, as nothing over time has them', async t => {
  const untimed = abortLine({ time: 'none' }).replace(`"time":${noon},`, '')
  const both = [abortLine(), untimed, untimed].join('\n')
  t.match((await pageOf(both)).page, '<p class="note">2 records have no time, and are left out of everything shown over time.</p>')
  t.match((await run(['report'], { stdin: both })).stdout, '2 records have no time')
  t.equal((await pageOf(both)).json.failed.untimed, 2)
  t.match((await pageOf(untimed)).page, 'No record has a time')
  t.notMatch((await pageOf(abortLine())).page, 'over time.</p>')
})

t.test('routes whose advice is left out are counted', async t => {
  const stdin = Array.from({ length: 125 }, (_, index) => abortLine({ route: `/r${index % 25}` })).join('\n')
  t.match((await pageOf(stdin)).page, '5 more routes: see --json.')
  t.match((await run(['report'], { stdin })).stdout, /^15 more routes: see --json\.$/m)
  t.notMatch((await run(['report', '--route', '/r1*'], { stdin: stdin.replaceAll(/^.*"\/r19".*\n/gm, '') })).stdout, 'more routes: see')
})

t.test('what was only observed is not said to have been cut', async t => {
  const stdin = Array.from({ length: 10 }, () => `${abortLine({ observed: true })}\n${abortLine({ observed: true, reason: 'body_timeout' })}\n`).join('')
  const { page } = await pageOf(stdin)
  t.match(page, '</svg>would have been cut for its rate</li>')
  t.match(page, '</svg>would have been cut for its time</li>')
  t.notMatch(page, /(?<!would have been )cut for (its|their) rate/)
})

t.test('every chart says its unit', async t => {
  const { page } = await pageOf(log)
  const figures = page.match(/<figure[\s\S]*?<\/figure>/g) ?? []
  t.equal(figures.length, 10, 'five for what failed, five for what was observed')
  for (const figure of figures) t.match(figure, /<h3>[^<]+<\/h3><p class="unit">reads[^<]+<\/p>/)
})

t.test('what clients chose is text', { timeout: 60_000 }, async t => {
  const evil = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\u001b[31m\u202e\''
  const stdin = Array.from({ length: 10 }, () => abortLine({ route: evil, remoteAddress: evil, url: evil })).join('\n')
  const { page, file } = await pageOf(stdin, '--route', `${evil.slice(0, 20)}*`)
  t.notMatch(page, /<script|<img/)
  t.notMatch(page, /[^\P{C}\n]/u, 'no control or format character')
  t.match(page, '&lt;script&gt;')
  t.match(page, '\\u{1b}')
  if (chromium === undefined) return t.comment(noChromium)
  const dom = await dumpDom(chromium, `file://${file}`)
  t.notMatch(dom, /<script|<img/)
  t.match(dom, '<title>Aborted reads</title>')
})

t.test('a log without aborted reads makes a page that says so', async t => {
  const { page } = await pageOf(`${requestLine}\n`)
  t.match(page, 'No read failed.')
  t.notMatch(page, '<figure')
})

t.test('one record makes a whole page', async t => {
  const { page, json } = await pageOf(abortLine())
  compare(t, page, json)
})

t.test('every series can be told from the ground, light and dark', t => {
  const grounds = [...pageStyle.matchAll(/--card:(#\w+)/g)].map(([, colour = '']) => colour)
  t.equal(grounds.length, 2)
  for (const [, name, colour = ''] of pageStyle.matchAll(/\.(\w+)\{fill:(#\w{6})\}/g)) {
    for (const ground of grounds) t.ok(contrast(colour, ground) >= 3, `${name} on ${ground}: ${contrast(colour, ground).toFixed(2)}`)
  }
  t.end()
})

t.test('nothing is cut off or overlaps, from 360 to 1200 pixels', { skip: noChromium, timeout: 120_000 }, async t => {
  const hostile = [
    abortLine({ route: `/文件上传/${'漢字'.repeat(30)}` }),
    abortLine({ route: `/${'very-long-part/'.repeat(12)}`, remoteAddress: '2001:db8:85a3:8d3:1319:8a2e:370:7348' }),
    ...Array.from({ length: 12 }, (_, index) => abortLine({ limit: 10 ** index, rate: 10 ** index * 0.5 })),
    ...Array.from({ length: 5 }, (_, index) => abortLine({ code: 'FST_READ_RESPONSE_ABORTED', reason: 'response_aborted', blame: 'client_gone', phase: index % 2 === 0 ? 'handler' : 'response', route: `/${'漢字/long'.repeat(index * 8 + 1)}`, elapsed: 10 ** (index * 3 + 1), sent: 9e14 / (index + 1), ip: `2001:db8:85a3:8d3:1319:8a2e:370:${index + 1}`, received: 9e14 })),
    ...Array.from({ length: 3000 }, (_, index) => JSON.stringify({ level: 30, time: noon + index, pid: 1, hostname: 'a', req: { method: 'POST', url: '/upload' }, res: { statusCode: 200 }, responseTime: 1, msg: 'request completed' }))
  ].join('\n')
  const many = variedRecords(300).map(record => ({ ...record, elapsed: 9_999_999_999, received: 9e14, expected: 1e15, rate: 123_456_789 }))
  for (const stdin of [log, hostile, logOf(many), abortLine()]) {
    const { page } = await pageOf(stdin)
    t.same(await layoutFaults(chromium ?? '', page, [360, 400, 700, 900, 1040, 1200]), [])
  }
})

t.test('the labels of the time axis do not overlap, from ten seconds to ten years', { skip: noChromium, timeout: 240_000 }, async t => {
  const spans = [10, 90, 400, 4000, 20_000, 90_000, 500_000, 1e7, 3e8]
  for (const seconds of spans) {
    const stdin = Array.from({ length: 50 }, (_, index) => abortLine({ time: new Date(noon + 1000 * (17 + index / 49 * seconds)).toISOString() })).join('\n')
    const { page } = await pageOf(stdin)
    t.same(await layoutFaults(chromium ?? '', page, [360, 400, 761, 1040]), [], `${seconds} s`)
  }
})

t.test('a red line names the option whose limit it is', async t => {
  const stdin = [abortLine(), abortLine({ reason: 'headers_too_slow', phase: 'headers', limit: 100 }), abortLine({ reason: 'response_too_slow', phase: 'response', limit: 500, sent: 10 })].join('\n')
  const { page, json } = await pageOf(stdin)
  t.same(json.failed.rates.limits.map(({ option }: { option: string }) => option).sort(), ['minBodyRate', 'minHeadersRate', 'minResponseRate'])
  for (const name of ['minBodyRate 240 B/s', 'minHeadersRate 100 B/s', 'minResponseRate 500 B/s']) t.match(page, new RegExp(`<text class="mark"[^>]*>${name}</text>`))
})

t.test('every reason has a colour', t => {
  for (const reason of reportedReasons) t.match(pageStyle, `.${reason}{fill:`)
  t.end()
})
