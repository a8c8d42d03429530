import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { DuckDBInstance } from '@duckdb/node-api'
import { parser } from '@grafana/lezer-logql'
import Fastify from 'fastify'
import t from 'tap'
import { readGuard } from '../../lib/index.js'
import { root } from '../support/app/packed.js'
import { abortLine, abortRecord, jsonOf, noon, requestLine, variedRecords } from '../support/app/report-log.js'
import { wrappings } from '../support/app/wrapped-logs.js'
import { RawClient } from '../support/client/raw-client.js'

const examples = join(root, 'examples', 'logs')
const has = (command: string) => spawnSync(command, ['--version']).error === undefined
const directory = t.testdir()

/** Lines of a real server: of a client whose body stalls, of one that leaves, and of one that is only observed. */
async function realLog (): Promise<string> {
  let written = ''
  const stream = new Writable({ write (chunk, _encoding, done) { written += String(chunk); done() } })
  const app = Fastify({ trustProxy: true, logger: { stream } })
  await app.register(readGuard, { bodyIdleTimeout: 200, resolution: 20 })
  app.post('/upload', async request => request.body)
  app.post('/observed', { config: { readGuard: { mode: 'observe' } } }, async request => request.body)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const head = (url: string, ip: string) => `POST ${url} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${ip}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`
  const forged = '/upload?","ip":"198.51.100.99","remoteAddress":"198.51.100.99","remotePort":1,"protocol":"http/1.1","tls":false,"observed":false,"time":"x"},"msg":"x"}'
  const clients = [head(forged, '203.0.113.7'), head('/upload', '2001:db8::7'), head('/upload', '203.0.113.8'), head('/observed', '203.0.113.9')].map(text => {
    const client = new RawClient(port)
    client.socket.write(text)
    return client
  })
  clients[2]?.socket.end(() => clients[2]?.socket.destroy())
  const recorded = () => written.split('\n').filter(line => line.includes('"abort"')).length
  for (const limit = Date.now() + 10_000; recorded() < 4 && Date.now() < limit;) await new Promise(resolve => setTimeout(resolve, 20))
  for (const client of clients) client.socket.destroy()
  await app.close()
  return written
}

const real = await realLog()

t.test('the real log has a record for each of the four', async t => {
  const { failed, observed } = await jsonOf(Buffer.from(real))
  t.same(failed.clients.map(({ client }) => client).sort(), ['2001:db8::7', '203.0.113.7', '203.0.113.8'])
  t.same(observed.clients.map(({ client }) => client), ['203.0.113.9'])
})

t.test('DuckDB has the sums of the report, over a mixed log and over Parquet', { timeout: 60_000 }, async t => {
  const lines = variedRecords(800).map(record => abortLine(record))
  const parts = ['bare NDJSON', 'Docker json-file', 'journalctl -o json', 'Loki, logcli -o jsonl'].map((name, index) => String(wrappings[name]?.(lines.slice(index * 200, (index + 1) * 200))))
  const forged = JSON.stringify({ level: 30, log: abortLine(), message: abortLine(), msg: 'got' })
  const log = [...parts, requestLine, 'no JSON', '{"broken":', forged, JSON.stringify({ level: 30, abort: abortRecord(), msg: 'got' })].join('\n')
  const file = join(directory, 'mixed.log')
  writeFileSync(file, log)
  const report = await jsonOf(Buffer.from(log))
  const expected = [report.failed, report.observed].flatMap((section, index) => section.groups.map(({ route, reason, count, received }) => [index === 1, route, reason, count, received]))

  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const sums = async () => (await connection.runAndReadAll('SELECT observed, route, reason, CAST(reads AS INTEGER), CAST(received AS DOUBLE) FROM sums')).getRows()
  await connection.run(`SET VARIABLE logs = '${file}'`)
  await connection.run(readFileSync(join(examples, 'duckdb.sql'), 'utf8'))
  t.same(new Set((await sums()).map(row => JSON.stringify(row))), new Set(expected.map(row => JSON.stringify(row))))
  const busiest = (await connection.runAndReadAll('SELECT client, CAST(reads AS INTEGER) FROM clients LIMIT 1')).getRows()
  t.same(busiest, [[report.failed.clients[0]?.client, report.failed.clients[0]?.count]])
  for (const view of ['gone', 'requests']) await connection.runAndReadAll(`FROM ${view}`)
  const parquet = join(directory, 'aborts.parquet')
  await connection.run(`COPY aborts TO '${parquet}'`)
  await connection.run(`DELETE FROM aborts; INSERT INTO aborts FROM '${parquet}'`)
  t.equal((await sums()).length, expected.length)
  connection.closeSync()
  instance.closeSync()
})

/** How many places of a query the grammar of LogQL does not understand. */
function faultsOf (query: string): number {
  let faults = 0
  parser.parse(query).iterate({ enter: node => { if (node.type.isError) faults++ } })
  return faults
}

t.test('the queries and the rules for Loki are LogQL', t => {
  const queries = readFileSync(join(examples, 'loki.logql'), 'utf8').split(/\n\n+/).map(block => block.replaceAll(/^#.*\n?/gm, '')).filter(query => query.trim() !== '')
  const rules = [...readFileSync(join(examples, 'loki-alerts.yaml'), 'utf8').matchAll(/^ +expr: \|\n +(.*)$/gm)].map(([, query = '']) => query)
  t.equal(queries.length, 8)
  t.equal(rules.length, 4)
  for (const query of [...queries, ...rules]) t.equal(faultsOf(query), 0, query)
  t.ok(faultsOf('sum by (a (count_over_time({app="shop"}[1m])') > 0, 'and what is none is found out')
  const keys = Object.keys(abortRecord({ ip: 'a', sent: 1 }))
  for (const [, key = ''] of [...queries, ...rules].join('\n').matchAll(/\babort_(\w+)/g)) t.ok(keys.includes(key), `abort.${key} is a key of the record`)
  t.end()
})

t.test('fail2ban finds the clients that a limit ended, and is not led astray by a URL', { skip: !has('fail2ban-regex') && 'fail2ban is not installed' }, t => {
  const filter = join(examples, 'fail2ban', 'filter.conf')
  const found = (log: string) => {
    const file = join(directory, 'fail2ban.log')
    writeFileSync(file, log)
    const { stdout, stderr } = spawnSync('fail2ban-regex', ['-o', 'ip', file, filter], { encoding: 'utf8' })
    t.equal(stderr, '')
    return stdout.split('\n').filter(line => line !== '').sort()
  }
  t.match(real, '198.51.100.99')
  t.same(found(real), ['2001:db8::7', '203.0.113.7'], 'neither who left, nor what was only observed, nor the address in the URL')
  const head = { code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', phase: 'headers', route: undefined, reqId: undefined, method: undefined, url: undefined, remoteAddress: '198.51.100.66' } as const
  const now = (line: string) => `${line.replace(String(noon), String(Date.now()))}\n`
  t.same(found(now(abortLine(head))), ['198.51.100.66'], 'before there is a request, the address of the connection')
  t.same(found(now(JSON.stringify({ level: 30, time: noon, abort: abortRecord(), msg: 'got' }))), [], 'what clients made an application log')
  t.match(readFileSync(join(examples, 'fail2ban', 'jail.conf'), 'utf8'), /^filter +=\s*fastify-read-guard$/m)
  t.end()
})

t.test('lnav has the records as columns', { skip: !has('lnav') && 'lnav is not installed' }, t => {
  const formats = join(directory, 'lnav', 'formats', 'fastify_read_guard')
  mkdirSync(formats, { recursive: true })
  cpSync(join(examples, 'lnav', 'fastify_read_guard.json'), join(formats, 'format.json'))
  const file = join(directory, 'lnav.log')
  writeFileSync(file, real)
  const query = 'SELECT "abort/reason" AS reason, "abort/ip" AS ip, "abort/received" AS received FROM fastify_read_guard WHERE "abort/code" IS NOT NULL ORDER BY 2'
  const { stdout, stderr } = spawnSync('lnav', ['-n', '-I', join(directory, 'lnav'), '-c', `;${query}`, '-c', ':write-json-to -', file], { encoding: 'utf8', env: { ...process.env, HOME: directory } })
  t.equal(stderr, '')
  t.match(JSON.parse(stdout), [
    { reason: 'body_idle_timeout', ip: '2001:db8::7', received: 1 },
    { reason: 'body_idle_timeout', ip: '203.0.113.7' },
    { reason: 'client_aborted', ip: '203.0.113.8' },
    { reason: 'body_idle_timeout', ip: '203.0.113.9' }
  ])
  t.end()
})

t.test('CrowdSec tells the client that comes back, and none of the others', { skip: !has('crowdsec') && 'CrowdSec is not installed', timeout: 60_000 }, t => {
  const config = join(directory, 'crowdsec')
  for (const folder of ['parsers/s00-raw', 'parsers/s01-parse', 'parsers/s02-enrich', 'scenarios', 'postoverflows', 'data', 'hub', 'notifications', 'patterns', 'dump']) mkdirSync(join(config, folder), { recursive: true })
  cpSync(join(examples, 'crowdsec', 'parser.yaml'), join(config, 'parsers', 's01-parse', 'parser.yaml'))
  cpSync(join(examples, 'crowdsec', 'scenario.yaml'), join(config, 'scenarios', 'scenario.yaml'))
  const files = {
    // What CrowdSec's own parsers for plain files and for dates do.
    'parsers/s00-raw/raw.yaml': "filter: \"evt.Line.Labels.type == 'fastify'\"\nonsuccess: next_stage\nname: local/raw\nstatics:\n  - parsed: message\n    expression: evt.Line.Raw\n  - parsed: program\n    expression: evt.Line.Labels.type\n",
    'parsers/s02-enrich/date.yaml': "filter: \"evt.StrTime != ''\"\nname: local/date\nstatics:\n  - method: ParseDate\n    expression: evt.StrTime\n  - target: MarshaledTime\n    expression: evt.Enriched.MarshaledTime\n",
    'hub/.index.json': '{"parsers":{},"scenarios":{},"collections":{},"postoverflows":{}}',
    'simulation.yaml': 'simulation: off\n',
    'profiles.yaml': 'name: none\nfilters:\n - Alert.Remediation == true\ndecisions:\n - type: ban\n   duration: 4h\non_success: break\n',
    'config.yaml': `common: { daemonize: false, log_media: stdout, log_level: info, working_dir: . }
config_paths: { config_dir: ${config}/, data_dir: ${config}/data/, simulation_path: ${config}/simulation.yaml, hub_dir: ${config}/hub/, index_path: ${config}/hub/.index.json, notification_dir: ${config}/notifications/ }
crowdsec_service: { parser_routines: 1 }
db_config: { type: sqlite, db_path: ${config}/data/crowdsec.db }
api:
  client: { credentials_path: ${config}/credentials.yaml }
  server: { listen_uri: '127.0.0.1:18917', profiles_path: ${config}/profiles.yaml }
prometheus: { enabled: false }
`
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config, name), text)
  const at = (index: number) => new Date(noon + index * 1000).toISOString()
  const log = Array.from({ length: 40 }, (_, index) => [
    abortLine({ ip: '203.0.113.7', time: at(index) }),
    abortLine({ ip: '203.0.113.8', time: at(index), reason: 'client_aborted', blame: 'client_gone' }),
    abortLine({ ip: '203.0.113.9', time: at(index), observed: true }),
    ...index % 10 === 0 ? [abortLine({ ip: '203.0.113.10', time: at(index) })] : []
  ].join('\n')).join('\n')
  const file = join(directory, 'crowdsec.log')
  writeFileSync(file, `${log}\n`)
  const cscli = spawnSync('cscli', ['-c', join(config, 'config.yaml'), 'machines', 'add', 'test', '-p', 'test', '-u', 'http://127.0.0.1:18917', '-f', join(config, 'credentials.yaml'), '--force'], { encoding: 'utf8' })
  t.equal(cscli.status, 0, cscli.stderr)
  const { stdout, stderr } = spawnSync('crowdsec', ['-c', join(config, 'config.yaml'), '-dsn', `file://${file}`, '-type', 'fastify', '-no-capi'], { encoding: 'utf8', timeout: 40_000 })
  const said = stdout + stderr
  t.same([...new Set([...said.matchAll(/Ip (\S+) performed 'fastify-read-guard\/failed-reads'/g)].map(([, ip]) => ip))], ['203.0.113.7'], said.slice(-2000))
  t.end()
})

t.test('what logLimit hides from them is said beside each', t => {
  for (const file of ['fail2ban/filter.conf', 'crowdsec/parser.yaml', 'loki.logql', 'loki-alerts.yaml']) t.match(readFileSync(join(examples, file), 'utf8'), 'logLimit', file)
  t.end()
})
