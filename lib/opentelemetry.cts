// Compilers before 5.8 refuse declarations of CommonJS that require an ES module: they get its types by an import of their own.
import type * as types from './opentelemetry.js' with { 'resolution-mode': 'import' }
import esm = require('./opentelemetry.js')

const telemetry: typeof types = esm

// eslint-disable-next-line @typescript-eslint/no-namespace -- the one way to give `export =` its types
namespace telemetry {
  export type GuardedInstance = types.GuardedInstance
  export type TelemetryOptions = types.TelemetryOptions
}

export = telemetry
