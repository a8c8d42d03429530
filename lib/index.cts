import esm = require('./index.js')

/** The plugin itself, for `require('fastify-read-guard')`. */
const readGuard = Object.assign(esm.default, { default: esm.default, readGuard: esm.default, errors: esm.errors, isReadError: esm.isReadError })

// eslint-disable-next-line @typescript-eslint/no-namespace -- the one way to give `export =` its types
namespace readGuard {
  export type AbortRecord<Code extends esm.ReadErrorCode = esm.ReadErrorCode> = esm.AbortRecord<Code>
  export type Blame = esm.Blame
  export type ReadError<Code extends esm.ReadErrorCode = esm.ReadErrorCode> = esm.ReadError<Code>
  export type ReadErrorCode = esm.ReadErrorCode
  export type ReadPhase = esm.ReadPhase
  export type ReadReason = esm.ReadReason
  export type ReadGuardOptions = esm.ReadGuardOptions
  export type ReadGuardRouteOptions = esm.ReadGuardRouteOptions
  export type ReadGuardStats = esm.ReadGuardStats
  export type ReadLimits = esm.ReadLimits
  export type RequestReadGuard = esm.RequestReadGuard
  export type RawBodyOptions = esm.RawBodyOptions
}

export = readGuard
