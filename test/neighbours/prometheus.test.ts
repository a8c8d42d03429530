import { spawn, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type SchemaObject, type ValidateFunction } from 'ajv'
import t, { type Test } from 'tap'
import { createGenerator } from 'ts-json-schema-generator'
import { root } from '../support/app/packed.js'
import { until } from '../support/oracle/until.js'
import { attack, startObserved, type Account } from './observed-example.js'
import { changed, endWith, folderFor, haproxyBefore, haproxyVersion, nginxBefore, nginxVersion, type Changes } from './proxy-programs.js'
import { answers, freePort } from './support.js'

/** By hand: for as long as one likes. */
const SECONDS = Number(process.env['ATTACK_SECONDS'] ?? 10)

const EXAMPLES = join(root, 'examples/observability')
const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const skip = !(isInstalled('prometheus') && isInstalled('promtool')) && 'prometheus is not installed'

interface Target {
  readonly refId: string
  readonly expr: string
}

interface Panel {
  readonly type: string
  readonly title: string
  readonly options: Record<string, unknown>
  readonly fieldConfig: { readonly defaults: { readonly custom?: unknown } }
  readonly targets: readonly Target[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string, readonly query: unknown }> }
}

const dashboard = JSON.parse(readFileSync(join(EXAMPLES, 'grafana-dashboard.json'), 'utf8')) as Dashboard // which the first test looks at

const validators = new Map<string, ValidateFunction>()

/** By the schema that Grafana publishes as types: what it has no word for is refused. */
function validator (file: string, type: string): ValidateFunction {
  const path = join(root, 'node_modules/@grafana/schema/dist/types/raw', file, 'x/types.gen.d.ts')
  const known = validators.get(path + type)
  if (known !== undefined) return known
  const schema = createGenerator({ path, type, tsconfig: join(root, 'tsconfig.json'), skipTypeCheck: true, additionalProperties: false }).createSchema(type)
  const made = new Ajv({ strict: false, allErrors: true }).compile(schema as SchemaObject) // two packages' types of the same thing
  validators.set(path + type, made)
  return made
}

/** What the schema has against a value. */
function faults (file: string, type: string, value: unknown): unknown[] {
  const validate = validator(file, type)
  validate(value)
  return validate.errors ?? []
}

t.test('the dashboard is valid by Grafana\'s schema, panels included', async (t) => {
  t.same(faults('dashboard', 'Dashboard', dashboard), [])
  for (const { type, title, options, fieldConfig: { defaults } } of dashboard.panels) {
    t.same(faults(`composable/${type}/panelcfg`, 'Options', options), [], title)
    if (defaults.custom !== undefined) t.same(faults(`composable/${type}/panelcfg`, 'FieldConfig', defaults.custom), [], title)
  }
  t.not(faults('dashboard', 'Dashboard', { ...dashboard, panel: [] }).length, 0, 'a wrong one is not')
})

t.test('the rules are valid, and fire and resolve as their test says', { skip }, async (t) => {
  const promtool = (...args: readonly string[]): readonly [status: number | null, output: string] => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
    return [status, stdout + stderr]
  }
  t.match(promtool('check', 'config', join(EXAMPLES, 'prometheus.yml')), [0, /SUCCESS/])
  t.match(promtool('check', 'rules', join(EXAMPLES, 'recording-rules.yml'), join(EXAMPLES, 'alert-rules.yml')), [0, /SUCCESS: 7 rules found/])
  t.match(promtool('test', 'rules', join(EXAMPLES, 'rules.test.yml')), [0, /SUCCESS/])
  const names = [...readFileSync(join(EXAMPLES, 'alert-rules.yml'), 'utf8').matchAll(/alert: (\w+)/g)].map(([, name = '']) => name)
  const tested = readFileSync(join(EXAMPLES, 'rules.test.yml'), 'utf8')
  for (const name of names) {
    const expected = tested.split(`alertname: ${name}\n`).slice(1).map((rest) => /^\s+exp_alerts: (\[\])?/.exec(rest)?.[1] === undefined)
    t.ok(expected.includes(true) && expected.includes(false), `${name} is expected to fire, and not to`)
  }
  const folder = folderFor(t, 'rules')
  cpSync(EXAMPLES, folder, { recursive: true })
  writeFileSync(join(folder, 'alert-rules.yml'), changed('observability/alert-rules.yml', { '> 1000': '> 2000' }))
  t.match(promtool('test', 'rules', join(folder, 'rules.test.yml')), [1, /FAILED/], 'another figure is noticed')
})

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

/** Debian's Prometheus with the example's configuration and rules, all of them in seconds. */
class Prometheus {
  readonly url: string

  private constructor (port: number) {
    this.url = `http://127.0.0.1:${port}/api/v1`
  }

  static async start (t: Test, metricsPort: number): Promise<Prometheus> {
    const folder = folderFor(t, 'prometheus')
    const port = await freePort()
    const quick: Changes = { 'interval: 15s': 'interval: 1s' }
    writeFileSync(join(folder, 'prometheus.yml'), changed('observability/prometheus.yml', { ...quick, '127.0.0.1:9464': `127.0.0.1:${metricsPort}` }))
    writeFileSync(join(folder, 'recording-rules.yml'), changed('observability/recording-rules.yml', { ...quick, '[5m]': '[5s]' }))
    writeFileSync(join(folder, 'alert-rules.yml'), changed('observability/alert-rules.yml', { ...quick, '[5m]': '[5s]', 'for: 5m': 'for: 2s', 'for: 10m': 'for: 2s', 'for: 15m': 'for: 2s' }))
    const program = spawn('prometheus', [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
    endWith(t, program)
    const prometheus = new Prometheus(port)
    await until(() => answers(`${prometheus.url}/status/buildinfo`), 'Prometheus listens')
    return prometheus
  }

  async #get (path: string, params: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const response = await fetch(`${this.url}/${path}?${String(new URLSearchParams(params))}`)
    const { status, error, data } = await response.json() as { status: string, error?: string, data: unknown }
    if (status !== 'success') throw new Error(`${path} ${JSON.stringify(params)}: ${error}`)
    return data
  }

  async query (query: string): Promise<readonly Sample[]> {
    return (await this.#get('query', { query }) as { result: Sample[] }).result
  }

  /** Sums by a label. */
  async sums (metric: string, label: string): Promise<Account> {
    const samples = await this.query(`sum by (${label}) (${metric})`)
    return Object.fromEntries(samples.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]))
  }

  /** How many series there were of this. */
  async series (query: string, since: number): Promise<number> {
    const result = await this.#get('query_range', { query, start: String(since), end: String(Date.now() / 1_000), step: '1' }) as { result: unknown[] }
    return result.result.length
  }

  async firing (): Promise<string[]> {
    const { alerts } = await this.#get('alerts') as { alerts: Alert[] }
    return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels['alertname'] ?? '').sort()
  }
}

/** Of codes as `stats()` has them, the reasons that metrics have. */
function byReason (counts: Readonly<Record<string, number>>): Account {
  const reasons: Account = {}
  for (const [code, count] of Object.entries(counts)) reasons[code === 'FST_READ_ABORTED' ? 'client_aborted' : code.replace('FST_READ_', '').toLowerCase()] = count
  return reasons
}

t.test('what Prometheus has counted of an attack is what stats(), the log and the clients say, and alerts fire and resolve', { skip, timeout: (SECONDS + 60) * 1_000 }, async (t) => {
  const { port, metricsPort, stats, records } = await startObserved(t)
  const prometheus = await Prometheus.start(t, metricsPort)
  const streaming = [port]
  if (nginxVersion !== undefined) streaming.push((await nginxBefore(t, port)).port)
  if (haproxyVersion !== undefined) streaming.push((await haproxyBefore(t, port, { 'option httpchk GET /health\n': 'option log-health-checks\n' })).port)
  await until(async () => (await prometheus.query('fastify_read_guard_lingers_total')).length > 0, 'the first scrape')
  const since = Date.now() / 1_000
  t.same(await prometheus.firing(), [])

  let [mostHeads, everFired] = [0, new Set<string>()]
  const watching = setInterval(() => {
    prometheus.sums('fastify_read_guard_active_reads', 'phase').then(({ headers = 0 }) => { mostHeads = Math.max(mostHeads, headers) }, () => {})
    prometheus.firing().then((names) => { for (const name of names) everFired.add(name) }, () => {})
  }, 500)
  const account = await attack({
    slowHead: [20, [port]],
    stalledBody: [15, streaming],
    tooLarge: [15, streaming],
    leaver: [10, [port]],
    slowReader: [1, [port]],
    tried: [5, [port]]
  }, SECONDS)
  clearInterval(watching)

  const said = await stats()
  const { 'body_idle_timeout, observed': observed, ...enforced } = account
  t.strictSame(byReason(said.aborted), enforced, 'stats() says what the clients say')
  t.strictSame(byReason(said.observed), { body_idle_timeout: observed }, 'also of what was only observed')
  const total = Object.values(account).reduce((sum, count) => sum + count, 0)
  await until(async () => Number((await prometheus.query('sum(fastify_read_guard_read_failures_total)'))[0]?.value[1]) >= total, 'the last scrape')
  const counter = 'fastify_read_guard_read_failures_total'
  t.strictSame(await prometheus.sums(`${counter}{observed="false"}`, 'reason'), enforced, 'Prometheus says what the clients say')
  t.strictSame(await prometheus.sums(`${counter}{observed="true"}`, 'reason'), { body_idle_timeout: observed })
  t.strictSame(await prometheus.sums(counter, 'route'), {
    '': enforced['headers_timeout'],
    '/files/upload': (enforced['body_idle_timeout'] ?? 0) + (enforced['body_too_large'] ?? 0) + (enforced['client_aborted'] ?? 0),
    '/files/download': enforced['response_idle_timeout'],
    '/trial': observed
  })
  t.strictSame(await prometheus.sums('fastify_read_guard_failed_read_duration_seconds_count', 'reason'), await prometheus.sums(counter, 'reason'))
  t.strictSame(await prometheus.sums('fastify_read_guard_failed_read_bytes_count', 'phase'), await prometheus.sums(counter, 'phase'))
  t.strictSame(await prometheus.sums('fastify_read_guard_log_suppressed_total', 'job'), { fastify: said.suppressed })
  t.equal(records().length + said.suppressed, total, 'what is not in the log is counted as left out')
  t.ok(said.suppressed > 0, 'there was more than the log takes')
  await until(async () => (await prometheus.sums('fastify_read_guard_lingers_total', 'job'))['fastify'] === (await stats()).lingered, 'the lingers are those of stats()')

  t.ok(mostHeads >= 20, `slow heads were seen under way: ${mostHeads}`)
  await until(async () => Object.values(await prometheus.sums('fastify_read_guard_active_reads', 'phase')).every(count => count === 0), 'nothing is under way')

  t.ok(everFired.has('ReadGuardSlowClients') && everFired.has('ReadGuardClientsLeave') && everFired.has('ReadGuardInvalidRequests') && everFired.has('ReadGuardLogSuppressed'), [...everFired].join())
  t.notOk(everFired.has('ReadGuardMetricsMissing') || everFired.has('ReadGuardReadsPileUp'), [...everFired].join())
  await until(async () => (await prometheus.firing()).length === 0, 'the alerts resolve', 20_000)

  for (const { title, targets } of dashboard.panels) {
    for (const { expr, refId } of targets) {
      const query = expr.replaceAll('$__rate_interval', '4s').replaceAll('$__range', '1m').replaceAll('$job', '.*')
      t.ok(await prometheus.series(query, since) > 0, `${title}, ${refId}: ${query}`)
    }
  }
  const job = dashboard.templating.list.find(({ name }) => name === 'job')
  t.match(job?.query, { query: 'label_values(fastify_read_guard_lingers_total, job)' }, 'the metric that is there before anything fails')
  t.comment(JSON.stringify({ seconds: SECONDS, account, stats: said, mostHeads, everFired: [...everFired] }))
})
