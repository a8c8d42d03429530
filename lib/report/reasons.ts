import type { Blame, ReadPhase, ReadReason } from '../record/errors.js'

/** `unknown` stands for a reason of a later version than this report. */
export type ReportedReason = ReadReason | 'unknown'

/** `unknown` stands for a phase of a later version than this report. */
export type ReportedPhase = ReadPhase | 'unknown'

/** In the order of an exchange. */
export const phases: readonly ReportedPhase[] = ['handshake', 'headers', 'body', 'handler', 'response', 'unknown']

/**
 * The quantity that a limit measures. It decides which advice the records can give. `head` is bytes or header lines: the
 * record does not say which of the two options it was.
 */
export type LimitKind = 'time' | 'silence' | 'rate' | 'size' | 'head'

export interface ReasonRow {
  readonly blame: Blame
  /** The option whose limit ended the read, where it was a limit. */
  readonly limit?: { readonly option: string, readonly kind: LimitKind }
}

/** In the order in which charts stack them: slow clients first, then clients that left, then invalid requests. */
export const reasonTable: Readonly<Record<ReportedReason, ReasonRow>> = {
  body_too_slow: { blame: 'client_slow', limit: { option: 'minBodyRate', kind: 'rate' } },
  body_idle_timeout: { blame: 'client_slow', limit: { option: 'bodyIdleTimeout', kind: 'silence' } },
  body_timeout: { blame: 'client_slow', limit: { option: 'bodyTimeout', kind: 'time' } },
  headers_timeout: { blame: 'client_slow', limit: { option: 'headersTimeout', kind: 'time' } },
  headers_too_slow: { blame: 'client_slow', limit: { option: 'minHeadersRate', kind: 'rate' } },
  handshake_timeout: { blame: 'client_slow', limit: { option: 'handshakeTimeout', kind: 'time' } },
  response_too_slow: { blame: 'client_slow', limit: { option: 'minResponseRate', kind: 'rate' } },
  response_idle_timeout: { blame: 'client_slow', limit: { option: 'responseIdleTimeout', kind: 'silence' } },
  client_aborted: { blame: 'client_gone' },
  response_aborted: { blame: 'client_gone' },
  body_too_large: { blame: 'client_invalid', limit: { option: 'bodyLimit', kind: 'size' } },
  headers_too_large: { blame: 'client_invalid', limit: { option: 'maxHeaderSize or maxHeadersCount', kind: 'head' } },
  length_required: { blame: 'client_invalid' },
  length_mismatch: { blame: 'client_invalid' },
  malformed: { blame: 'client_invalid' },
  unknown: { blame: 'client_invalid' }
}

export const reportedReasons = Object.keys(reasonTable) as readonly ReportedReason[] // keys of a Record are its key type

export const blames: readonly Blame[] = ['client_slow', 'client_gone', 'client_invalid']

const blameNames: Readonly<Record<Blame, string>> = { client_slow: 'slow client', client_gone: 'client left', client_invalid: 'invalid request' }

export function blameName (blame: Blame): string {
  return blameNames[blame]
}

export function reasonOf (value: unknown): ReportedReason {
  return reportedReasons.find(reason => reason === value) ?? 'unknown'
}

/** The counts as an object, in the order of the table. Reasons without reads are left out. */
export function countsByReason (counts: ReadonlyMap<ReportedReason, number>): Partial<Record<ReportedReason, number>> {
  const listed: Partial<Record<ReportedReason, number>> = {}
  for (const reason of reportedReasons) {
    const count = counts.get(reason)
    if (count !== undefined) listed[reason] = count
  }
  return listed
}
