// Compilers before 5.8 refuse declarations of CommonJS that require an ES module: they get its types by an import of their own.
import type * as types from './index.js' with { 'resolution-mode': 'import' }
import esm = require('./index.js')

/** The plugin itself, for `require('fastify-read-guard')`. */
const readGuard: typeof types.readGuard & Pick<typeof types, 'default' | 'readGuard' | 'errors' | 'isReadError'> = Object.assign(esm.default, { default: esm.default, readGuard: esm.default, errors: esm.errors, isReadError: esm.isReadError })

// eslint-disable-next-line @typescript-eslint/no-namespace -- the one way to give `export =` its types
namespace readGuard {
  export type AbortRecord<Code extends types.ReadErrorCode = types.ReadErrorCode> = types.AbortRecord<Code>
  export type Blame = types.Blame
  export type ReadError<Code extends types.ReadErrorCode = types.ReadErrorCode> = types.ReadError<Code>
  export type ReadErrorCode = types.ReadErrorCode
  export type ReadPhase = types.ReadPhase
  export type ReadReason = types.ReadReason
  export type ReadGuardOptions = types.ReadGuardOptions
  export type ReadGuardRouteOptions = types.ReadGuardRouteOptions
  export type ReadGuardStats = types.ReadGuardStats
  export type ReadLimits = types.ReadLimits
  export type RequestReadGuard = types.RequestReadGuard
  export type RawBodyOptions = types.RawBodyOptions
}

export = readGuard
