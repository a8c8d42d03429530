import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cruiser = join(root, 'node_modules/.bin/depcruise')

/** Copies what the rule needs, so that imports can be planted. */
function copyOfTheHouse (folder: string): string {
  for (const name of ['lib', '.dependency-cruiser.js', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Runs what `npm run lint:rooms` runs. */
function lintRooms (folder: string): { status: number | null, violations: string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cruiser, 'lib'], { cwd: folder, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  return { status, violations: [...stdout.matchAll(/^ {2}error (.+)$/gm)].map(([, violation = '']) => violation.trim()).concat(stderr === '' ? [] : [stderr]) }
}

/** Imports that break the rule, by the file that they are written into, and what is said of them. */
const planted: ReadonlyArray<readonly [file: string, source: string, violation: string]> = [
  ['node/socket-internals.ts', "export type { AbortRecord } from '../record/abort-record.js'", 'guard: node/ imports only from below: lib/node/socket-internals.ts → lib/record/abort-record.ts'],
  ['clock/counted-time.ts', "import '../limits/content-length.js'", 'guard: clock/ imports only from below: lib/clock/counted-time.ts → lib/limits/content-length.ts'],
  ['stats.ts', "import './plugin.js'", 'guard: stats imports only from below: lib/stats.ts → lib/plugin.ts'],
  ['http1/strict-framing.ts', "import '../http2/health.js'", 'guard: http1/ imports only from below: lib/http1/strict-framing.ts → lib/http2/health.ts'],
  ['report/tally/rounding.ts', "import '../words/amount-text.js'", 'report: report/tally/ imports only from below: lib/report/tally/rounding.ts → lib/report/words/amount-text.ts'],
  ['report/usage.ts', "import '../limits/misspelling.js'", 'the report knows only the record: lib/report/usage.ts → lib/limits/misspelling.ts'],
  ['limits/misspelling.ts', "import '../report/reasons.js'", 'the guard does not know the report: lib/limits/misspelling.ts → lib/report/reasons.ts'],
  ['telemetry/measures.ts', "import '../prometheus.js'", 'telemetry: telemetry/ imports only from below: lib/telemetry/measures.ts → lib/prometheus.ts'],
  ['opentelemetry.ts', "import './prometheus.js'", 'telemetry: opentelemetry imports only from below: lib/opentelemetry.ts → lib/prometheus.ts'],
  ['telemetry/read-meter.ts', "import '../plugin.js'", 'the telemetry knows only what is recorded and counted, and the rules of options: lib/telemetry/read-meter.ts → lib/plugin.ts'],
  ['guard.ts', "import './telemetry/measures.js'", 'neither the guard nor the report knows the telemetry: lib/guard.ts → lib/telemetry/measures.ts'],
  ['telemetry/metric-family.ts', "import './read-meter.js'", 'the metrics of Prometheus do without OpenTelemetry: lib/prometheus.ts →'],
  ['attic.ts', "import './node/socket-internals.js'", 'a file outside of the rooms imports nothing: lib/attic.ts → lib/node/socket-internals.ts'],
  ['record/peer-address.ts', "import '../cellar/barrel.js'", 'a file outside of the rooms is not imported: lib/record/peer-address.ts → lib/cellar/barrel.ts'],
  ['report/html/html-table.ts', "import './html-tables.js'", 'no circle: lib/report/html/html-table.ts →'],
  ['limits/foreign-names.ts', "import './nowhere.js'", 'every import leads somewhere: lib/limits/foreign-names.ts → ./nowhere.js']
]

t.test('the rooms of lib/ import only downwards, and in no circle', async (t) => {
  t.same(lintRooms(copyOfTheHouse(t.testdir({}))), { status: 0, violations: [] })
})

t.test('an import that leads upwards, round in a circle or out of the house fails the rule', async (t) => {
  const folder = copyOfTheHouse(t.testdir({ lib: { cellar: { 'barrel.ts': '' } } }))
  for (const [file, source] of planted) appendFileSync(join(folder, 'lib', file), `\n${source}\n`)
  const { status, violations } = lintRooms(folder)
  t.not(status, 0)
  for (const [file, , violation] of planted) {
    t.ok(violations.some((told) => told.startsWith(violation)), `${file} is told of`, { violations, violation })
  }
})
