// What the guard costs, against the same server without it. npm run bench [-- part … --quick --times 5 --pairs 20 --only get,post]
import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { attack } from './attack.js'
import { beat } from './beat.js'
import { cost } from './cost.js'
import { heap } from './heap.js'
import { lateness } from './lateness.js'
import { quick } from './quick.js'

/** About five minutes, about one, and no more than it takes to see that everything still runs. */
const sizes = {
  full: {
    quick: { seconds: 5 },
    cost: { seconds: 5, pairs: 10, requests: 3_000 },
    heap: { connections: 10_000, repeats: 2, settle: 500 },
    beat: { connections: 10_000, simulations: [10_000, 50_000], seconds: 2 },
    lateness: { counts: [1, 1_000, 10_000], limit: 1_000, repeats: 3 },
    attack: { attacks: ['heads', 'bodies', 'heads and bodies'], connections: 5_000, limit: 2_000, perSecond: 1_000, seconds: 3 }
  },
  quick: {
    quick: { seconds: 2 },
    cost: { seconds: 0.8, pairs: 2, requests: 1_000 },
    heap: { connections: 2_000, repeats: 1, settle: 300 },
    beat: { connections: 2_000, simulations: [50_000], seconds: 0.5 },
    lateness: { counts: [1_000], limit: 1_000, repeats: 1 },
    attack: { attacks: ['heads and bodies'], connections: 1_000, limit: 2_000, perSecond: 1_000, seconds: 2 }
  },
  tiny: {
    quick: { seconds: 0.05 },
    cost: { seconds: 0.01, pairs: 1, requests: 20, warming: 1, idle: 20 },
    heap: { connections: 20, repeats: 1, settle: 20 },
    beat: { connections: 20, simulations: [100], seconds: 0.2 },
    lateness: { counts: [20], limit: 300, repeats: 1 },
    attack: { attacks: ['heads and bodies'], connections: 20, limit: 1_000, perSecond: 100, seconds: 0.5 }
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    /** How often as many rounds, for finer figures. */
    times: { type: 'string', default: '1' },
    /** How many fresh processes of each, whatever the rounds. */
    pairs: { type: 'string' },
    /** Which loads of `cost`, or forms of application of `quick`. */
    only: { type: 'string' }
  }
})

const times = Number(values.times)
const replicates = values.pairs === undefined ? undefined : Number(values.pairs)

/**
 * @typedef {object} Size
 * @property {Parameters<typeof quick>[0]} quick
 * @property {import('./cost.js').CostSize} cost
 * @property {Parameters<typeof heap>[0]} heap
 * @property {Parameters<typeof beat>[0]} beat
 * @property {Parameters<typeof lateness>[0]} lateness
 * @property {Parameters<typeof attack>[0]} attack
 */

/** @type {Readonly<Record<string, (size: Size) => Promise<void>>>} */
const parts = {
  quick: (size) => quick({ ...size.quick, times, only: values.only?.split(',') }),
  cost: (size) => cost({ ...size.cost, times, replicates, only: values.only?.split(',') }),
  heap: (size) => heap({ ...size.heap, times }),
  beat: (size) => beat({ ...size.beat, times }),
  lateness: (size) => lateness({ ...size.lateness, times }),
  attack: (size) => attack(size.attack)
}

const unknown = positionals.filter((name) => !(name in parts))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: ${Object.keys(parts).join(', ')}`)
  process.exit(2)
}

/** Files that a process may have open: sockets of all clients are in one. */
const files = Number(spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout)
const size = values.tiny ? sizes.tiny : values.quick ? sizes.quick : sizes.full
const wanted = positionals.length > 0 ? positionals : Object.keys(parts)
if (size === sizes.full && files < 12_000) console.log(`\`ulimit -n\` is ${files}: 10 000 connections need 12 000.\n`)

console.log(`Node ${process.versions.node}, ${process.platform} ${process.arch}, ${availableParallelism()} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}, ${new Date().toISOString()}`)
for (const name of wanted) {
  const started = performance.now()
  console.log(`\n## ${name}\n`)
  await parts[name]?.(size)
  console.log(`\n(${((performance.now() - started) / 1_000).toFixed(0)} s)`)
}
