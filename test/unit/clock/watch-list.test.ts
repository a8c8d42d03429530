import fc from 'fast-check'
import t from 'tap'
import { LONGEST_REST, NOT_WATCHED, WatchList, type Watched } from '../../../lib/clock/watch-list.js'

const RESOLUTION = 100

class Entry implements Watched {
  readonly phase = undefined
  index = NOT_WATCHED

  constructor (readonly id: number) {}

  look (): number { return Infinity }
  judge (): void {}
}

function dueIds (list: WatchList, until: number): number[] {
  return list.all.flatMap((watched, place) => list.isDue(place, until) ? [(watched as Entry).id] : [])
}

/** What a look at 5 000 ms said, and whether it is due at the beats after, which come every 100 ms. */
const rests: ReadonlyArray<readonly [name: string, left: number, beats: readonly boolean[]]> = [
  ['with no limit, or not yet begun', Infinity, [true, true, true]],
  ['that runs out within the next beat', 150, [true, true, true]],
  ['that runs out at the second beat', 200, [false, true, true]],
  ['that runs out after the second beat', 201, [false, true, true]],
  ['that runs out at the third beat', 300, [false, false, true]]
]

for (const [name, left, expected] of rests) {
  t.test(`a read ${name} is looked at in time`, async (t) => {
    const list = new WatchList()
    const entry = new Entry(1)
    list.add(entry)
    t.ok(list.isDue(0, RESOLUTION), 'it was never looked at')
    list.looked(entry, 5_000, left)
    t.equal(list.lookedAt(entry.index), 5_000)
    const due = expected.map((_, i) => list.isDue(0, 5_000 + (i + 2) * RESOLUTION))
    t.strictSame(due, expected)
  })
}

for (const left of [0, -5_000]) {
  t.test(`a read that has run out (${left} ms left) is left alone until its verdict, and is looked at after it`, async (t) => {
    const list = new WatchList()
    const entry = new Entry(1)
    list.add(entry)
    list.looked(entry, 5_000, left)
    t.notOk(list.isDue(0, 5_000 + 2 * RESOLUTION))
    t.ok(list.isDue(0, 5_000 + LONGEST_REST + 1), 'and in any case after a second')
    list.wake(entry)
    t.ok(list.isDue(0, 5_000 + RESOLUTION))
  })
}

t.test('no read is left alone for longer than a second, and those that came together part in herds', async (t) => {
  const list = new WatchList()
  const entries = Array.from({ length: 5_000 }, (_, id) => new Entry(id))
  for (const entry of entries) list.add(entry)
  for (const entry of entries) list.looked(entry, 0, 300_000)
  const beats = Array.from({ length: 10 }, (_, i) => dueIds(list, (i + 1) * RESOLUTION).length)
  t.equal(beats[4], 0, 'none in the first half')
  t.equal(list.all.length, dueIds(list, LONGEST_REST + 1).length, 'all after a second')
  const largest = Math.max(...beats.map((due, i) => due - (beats[i - 1] ?? 0)))
  t.ok(largest <= 0.3 * entries.length, `${largest} of ${entries.length} in one beat`)
})

t.test('what is not watched can be told anything', async (t) => {
  const list = new WatchList()
  const entry = new Entry(1)
  list.wake(entry)
  list.looked(entry, 1, 1_000)
  list.delete(entry)
  list.add(entry)
  list.delete(entry)
  list.looked(entry, 1, 1_000)
  t.equal(entry.index, NOT_WATCHED)
  t.strictSame(list.all, [])
  list.add(entry)
  t.ok(list.isDue(entry.index, 2), 'of what it was told nothing is left')
  t.equal(list.lookedAt(entry.index), 0)
})

t.test('whatever is added, deleted, looked at and woken: each keeps its own times', async () => {
  const anId = fc.nat(200)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), id: anId }),
    fc.record({ kind: fc.constant('delete' as const), id: anId }),
    fc.record({ kind: fc.constant('wake' as const), id: anId }),
    fc.record({ kind: fc.constant('look' as const), id: anId, left: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.constant(Infinity)) })
  )
  fc.assert(fc.property(fc.array(step, { minLength: 50, maxLength: 600, size: 'max' }), (steps) => {
    const list = new WatchList()
    const entries = Array.from({ length: 201 }, (_, id) => new Entry(id))
    /** When each was looked at, and what it said; in no order. */
    const model = new Map<number, { at: number, left: number }>()
    let now = 0
    for (const { kind, id, ...rest } of steps) {
      const entry = entries[id]
      if (entry === undefined) continue
      now++
      const known = model.get(id)
      if (kind === 'add' && known === undefined) {
        list.add(entry)
        model.set(id, { at: 0, left: 0 })
      } else if (kind === 'delete') {
        list.delete(entry)
        model.delete(id)
      } else if (kind === 'wake' && known !== undefined) {
        list.wake(entry)
        known.left = 0
      } else if (kind === 'look' && known !== undefined && 'left' in rest) {
        list.looked(entry, now, rest.left)
        known.at = now
        known.left = rest.left
      }
    }
    if (list.all.length !== model.size) throw new Error(`${list.all.length} are watched, not ${model.size}`)
    for (const [place, watched] of list.all.entries()) {
      const { id } = watched as Entry
      const known = model.get(id)
      if (known === undefined || watched.index !== place) throw new Error(`${id} at ${place} is not where it says`)
      if (list.lookedAt(place) !== known.at) throw new Error(`${id} was looked at ${known.at}, not ${list.lookedAt(place)}`)
      const soonest = known.left === Infinity ? known.at : known.at + Math.min(known.left, LONGEST_REST / 2)
      const latest = known.left === Infinity ? known.at : known.at + Math.min(known.left, LONGEST_REST)
      if (list.isDue(place, soonest)) throw new Error(`${id} is due before ${soonest}`)
      if (!list.isDue(place, latest + 1)) throw new Error(`${id} is not due by ${latest}`)
    }
  }), { numRuns: 300 })
})
