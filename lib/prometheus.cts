// Compilers before 5.8 refuse declarations of CommonJS that require an ES module: they get its types by an import of their own.
import type * as types from './prometheus.js' with { 'resolution-mode': 'import' }
import esm = require('./prometheus.js')

const metrics: typeof types = esm

// eslint-disable-next-line @typescript-eslint/no-namespace -- the one way to give `export =` its types
namespace metrics {
  export type GuardedInstance = types.GuardedInstance
  export type MetricsOptions = types.MetricsOptions
  export type PrometheusClient = types.PrometheusClient
  export type PrometheusRegistry = types.PrometheusRegistry
}

export = metrics
