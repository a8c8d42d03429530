import { startChild } from './child.js'
import { table } from './table.js'

/** @param {number} value */
function signed (value) {
  return `${value < 0 ? '' : '+'}${value.toFixed(0)} ns`
}

/**
 * What the guard adds where nothing is noisier than JavaScript and Node's own code: with a network below it the whole
 * request takes several times as long. Each figure is of a process of its own.
 *
 * @param {{ seconds: number, times?: number, only?: readonly string[] | undefined }} size seconds of each load and form; `only` these forms
 */
export async function quick ({ seconds, times = 1, only }) {
  const rows = []
  const { forms, loads } = await inChild((child) => child.ask('names'))
  for (const load of loads) {
    for (const form of forms.filter((name) => only?.includes(name) ?? true)) {
      const { without = NaN, guarded = NaN, again = NaN, blocks } = await inChild((child) => child.ask('measure', form, load, seconds * times))
      const base = (without + again) / 2
      rows.push([load, form, `${(base / 1_000).toFixed(2)} µs`, signed(guarded - base), `${((guarded / base - 1) * 100).toFixed(2)} %`, signed(again - without), blocks])
    }
  }
  console.log(table(['load', 'application', 'without', 'added', 'added', 'A/A', 'blocks'], rows))
}

/**
 * @template T
 * @param {(child: import('./child.js').Child<import('./no-network.js').Commands>) => Promise<T>} act
 */
async function inChild (act) {
  const child = await startChild('no-network.js')
  try {
    return await act(child)
  } finally {
    await child.stop()
  }
}
