/*
 * The order of the rooms of lib/, from the roof down: a file imports from its own floor and from floors below it, types
 * included. The rooms of one floor do not import from each other.
 */
const GUARD = [
  ['index'],
  ['plugin'],
  ['server-guard'],
  ['dispatch'],
  ['http1/', 'http2/', 'inject/'],
  ['body/'],
  ['response/'],
  ['answer/'],
  ['stats'],
  ['guard'],
  ['limits/'],
  ['clock/'],
  ['record/'],
  ['node/']
]

/* The command stands beside the guard: it knows the record, and nothing else of it. */
const REPORT = [
  ['report/cli'],
  ['report/main'],
  ['report/collect'],
  ['report/html/', 'report/text/'],
  ['report/words/'],
  ['report/tally/'],
  ['report/input/'],
  ['report/parse-arguments', 'report/route-filter'],
  ['report/time-bound'],
  ['report/io', 'report/usage', 'report/report'],
  ['report/reasons']
]

/* Metrics and tracing stand beside the guard, which never loads them. Each entry is loaded by itself. */
const TELEMETRY = [
  ['prometheus', 'opentelemetry'],
  ['telemetry/']
]

/** @param {string} room a folder, with its slash, or a file without its extension */
function pathOf (room) {
  return room.endsWith('/') ? `^lib/${room}` : `^lib/${room}\\.c?ts$`
}

/** @param {string[][]} floors */
function pathsOf (floors) {
  return floors.flat().map(pathOf)
}

/**
 * @param {string} house
 * @param {string[][]} floors
 * @returns {import('dependency-cruiser').IRegularForbiddenRuleType[]}
 */
function onlyDownwards (house, floors) {
  return floors.flatMap((rooms, floor) => rooms.flatMap((room) => {
    const forbidden = pathsOf([...floors.slice(0, floor), rooms.filter((other) => other !== room)])
    if (forbidden.length === 0) return []
    return { name: `${house}: ${room} imports only from below`, severity: 'error', from: { path: pathOf(room) }, to: { path: forbidden } }
  }))
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...onlyDownwards('guard', GUARD),
    ...onlyDownwards('report', REPORT),
    ...onlyDownwards('telemetry', TELEMETRY),
    {
      name: 'the report knows only the record',
      severity: 'error',
      from: { path: pathsOf(REPORT) },
      to: { path: '^lib/', pathNot: ['^lib/report/', '^lib/record/'] }
    },
    {
      name: 'the guard does not know the report',
      severity: 'error',
      from: { path: pathsOf(GUARD) },
      to: { path: '^lib/report/' }
    },
    {
      name: 'the telemetry knows only what is recorded and counted, and the rules of options',
      severity: 'error',
      from: { path: pathsOf(TELEMETRY) },
      to: { path: '^lib/', pathNot: [...pathsOf(TELEMETRY), '^lib/record/', pathOf('stats'), pathOf('limits/rules')] }
    },
    {
      name: 'neither the guard nor the report knows the telemetry',
      severity: 'error',
      from: { path: pathsOf([...GUARD, ...REPORT]) },
      to: { path: pathsOf(TELEMETRY) }
    },
    {
      name: 'the metrics of Prometheus do without OpenTelemetry',
      severity: 'error',
      from: { path: pathOf('prometheus') },
      to: { path: 'node_modules/@opentelemetry/', reachable: true }
    },
    {
      name: 'a file outside of the rooms imports nothing',
      severity: 'error',
      from: { path: '^lib/', pathNot: pathsOf([...GUARD, ...REPORT, ...TELEMETRY]) },
      to: {}
    },
    {
      name: 'a file outside of the rooms is not imported',
      severity: 'error',
      from: {},
      to: { path: '^lib/', pathNot: pathsOf([...GUARD, ...REPORT, ...TELEMETRY]) }
    },
    {
      name: 'no circle',
      severity: 'error',
      from: {},
      to: { circular: true }
    },
    {
      name: 'every import leads somewhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' }
  }
}
