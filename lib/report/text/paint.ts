import type { Blame } from '../../record/errors.js'
import type { Io } from '../io.js'

/** Colours text, or leaves it as it is. The text keeps the width at which it is shown. */
export interface Paint {
  readonly strong: (text: string) => string
  readonly faint: (text: string) => string
  readonly by: (blame: Blame, text: string) => string
}

const ansi: Readonly<Record<Blame, number>> = { client_slow: 33, client_gone: 36, client_invalid: 35 }

/** Colours only on a terminal that has them, and where `NO_COLOR` is not set (no-color.org). */
export function paintFor ({ stdout, env }: Pick<Io, 'stdout' | 'env'>): Paint {
  const noColor = env['NO_COLOR']
  const plain = stdout.isTTY !== true || env['TERM'] === 'dumb' || (noColor !== undefined && noColor !== '')
  const style = (on: number, off: number, text: string) => plain ? text : `\u001b[${on}m${text}\u001b[${off}m`
  return {
    strong: text => style(1, 22, text),
    faint: text => style(2, 22, text),
    by: (blame, text) => style(ansi[blame], 39, text)
  }
}
