import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { displayWidth, fitting, shortened, shortenedInside } from '../../lib/report/words/display-width.js'
import { abortLine, logOf, noon, requestLine, run, variedRecords } from '../support/app/report-log.js'

const log = logOf(variedRecords(1500))
const longest = (text: string) => Math.max(...text.split('\n').map(displayWidth))

t.test('fits 80 columns, also with long names and large numbers', async t => {
  const hostile = [
    ...Array.from({ length: 5 }, () => abortLine({ route: `/${'long/'.repeat(60)}` })),
    ...Array.from({ length: 5 }, () => abortLine({ route: `/文件上传/${'漢字'.repeat(30)}` })),
    abortLine({ route: '/😀'.repeat(40) }),
    ...Array.from({ length: 5 }, (_, index) => abortLine({ code: 'FST_READ_RESPONSE_ABORTED', reason: 'response_aborted', blame: 'client_gone', phase: index % 2 === 0 ? 'handler' : 'response', route: `/${'漢字/long'.repeat(index * 8 + 1)}`, elapsed: 10 ** (index * 3 + 1), sent: 9e14 / (index + 1), ip: `2001:db8:85a3:8d3:1319:8a2e:370:${index + 1}`, received: 9e14 })),
    ...Array.from({ length: 3000 }, (_, index) => JSON.stringify({ level: 30, time: noon + index, pid: 1, hostname: 'a', req: { method: 'POST', url: '/upload' }, res: { statusCode: 200 }, responseTime: 1, msg: 'request completed' })),
    abortLine({ route: '/한글/上传', remoteAddress: '2001:db8:85a3:8d3:1319:8a2e:370:7348' }),
    abortLine({ received: 9e14, expected: 1e15, elapsed: 1e14, rate: 123_456_789.12 })
  ].join('\n')
  for (const grouping of [[], ['--group-by', 'route'], ['--group-by', 'reason'], ['--group-by', 'client'], ['--group-by', 'hour']]) {
    const { stdout } = await run(['report', ...grouping], { stdin: log + hostile })
    t.ok(longest(stdout) <= 80, `${longest(stdout)} columns by ${grouping[1]}`)
  }
  t.ok(longest(stripVTControlCharacters((await run(['report'], { stdin: log, terminal: 40 })).stdout)) <= 80)
})

t.test('a character may be two columns wide, or none', t => {
  const rows: [string, number][] = [['', 0], ['abc', 3], ['é', 1], ['e\u0301', 1], ['漢字', 4], ['ｱ', 1], ['Ａ', 2], ['한글', 4], ['한글'.normalize('NFD'), 4], ['/文件/上传', 10], ['😀', 2], ['🇩🇪', 2], ['👍🏽', 2], ['1\ufe0f\u20e3', 2], ['☃', 1], ['…–≥', 3], ['𠀀', 2], ['䷀', 2]]
  for (const [text, width] of rows) t.equal(displayWidth(text), width, text)
  t.equal(fitting('漢字漢', 5), '漢字')
  t.equal(fitting('e\u0301e', 1), 'e\u0301')
  t.equal(shortened('漢字漢', 6), '漢字漢')
  t.equal(shortened('漢字漢', 5), '漢字…')
  t.equal(shortened('😀😀😀', 4), '😀…', 'no half of a pair')
  t.equal(shortenedInside('/a/漢字漢字/b', 9), '/a/…字/b')
  t.equal(shortenedInside('/short', 9), '/short')
  t.equal(shortened('🇩🇪🇫🇷🇮🇹', 5), '🇩🇪🇫🇷…', 'no half of a flag')
  t.equal(shortenedInside('/👍🏽👍🏽👍🏽👍🏽e\u0301', 6), '/…e\u0301', 'no accent or colour without what it belongs to')
  t.end()
})

t.test('what was read is said in words', async t => {
  const said = async (lines: readonly string[]) => (await run(['report'], { stdin: lines.join('\n') })).stdout.split('\n')[1]
  t.equal(await said([abortLine()]), '1 line, 1 of them the record of a read.')
  t.equal(await said([abortLine(), abortLine(), requestLine]), '3 lines, 2 of them records of reads.')
  t.equal(await said([requestLine, 'text']), '2 lines, 0 of them records of reads; passed over: 1 not JSON.')
})

t.test('grows with the terminal', async t => {
  const at = async (columns: number) => stripVTControlCharacters((await run(['report'], { stdin: log, terminal: columns })).stdout)
  t.notMatch(await at(80), 'last (UTC)')
  t.match(await at(160), 'last (UTC)')
  t.ok(longest(await at(120)) > longest(await at(80)))
  t.ok(longest(await at(120)) <= 120)
  t.ok(longest(await at(400)) <= 160)
})

t.test('a long label has a line of its own rather than losing its end', async t => {
  const client = '2001:db8:85a3:8d3:1319:8a2e:370:7348'
  const { stdout } = await run(['report', '--group-by', 'client'], { stdin: abortLine({ remoteAddress: client, received: 9e14, rate: 123_456 }) })
  t.match(stdout, client)
})

t.test('colour only on a terminal, and not with NO_COLOR', async t => {
  const escape = '\u001b['
  const colours = async (world: Parameters<typeof run>[1]) => (await run(['report'], { stdin: log, ...world })).stdout.includes(escape)
  t.equal(await colours({}), false)
  t.equal(await colours({ terminal: 100 }), true)
  t.equal(await colours({ terminal: 100, env: { NO_COLOR: '1' } }), false)
  t.equal(await colours({ terminal: 100, env: { NO_COLOR: '' } }), true)
  t.equal(await colours({ terminal: 100, env: { TERM: 'dumb' } }), false)
  const plain = await run(['report'], { stdin: log, terminal: 100, env: { NO_COLOR: '1' } })
  const coloured = await run(['report'], { stdin: log, terminal: 100 })
  t.equal(stripVTControlCharacters(coloured.stdout), plain.stdout, 'and changes nothing else')
})

t.test('what clients chose cannot write on the terminal', async t => {
  const evil = '\u001b]0;owned\u0007\u001b[2J/x\r\n\u202e\u009b31m\u0000'
  const stdin = abortLine({ route: evil, remoteAddress: evil, url: evil, method: evil })
  const { stdout } = await run(['report'], { stdin })
  t.notMatch(stdout, /[^\P{C}\n]/u, 'no control or format character')
  t.match(stdout, '\\u{1b}]0;owned\\u{7}')
  const byClient = await run(['report', '--group-by', 'client', '--json'], { stdin })
  t.notMatch(byClient.stdout, /[^\P{C}\n]/u)
})

t.test('the number of rows is bounded, and what is left out is said', async t => {
  const lines = Array.from({ length: 60 }, (_, index) => abortLine({ route: `/r${index}` })).join('\n')
  const { stdout } = await run(['report', '--group-by', 'route'], { stdin: lines })
  t.equal(stdout.match(/^\/r\d+ /gm)?.length, 50)
  t.match(stdout, 'and 10 rows with fewer reads, which --json has')
})
