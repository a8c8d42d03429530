import t from 'tap'
import { CountedTime } from '../../../lib/clock/counted-time.js'

const LONGEST = 150
const START = 7_000

interface Row {
  readonly name: string
  /** Real milliseconds after the start at which it beats. */
  readonly beats: readonly number[]
  /** When it is asked, after the last beat. */
  readonly at: number
  readonly counted: number
  readonly lost: number
}

const rows: readonly Row[] = [
  { name: 'nothing has passed at the start', beats: [], at: 0, counted: 0, lost: 0 },
  { name: 'time counts from the start', beats: [], at: 100, counted: 100, lost: 0 },
  { name: 'a beat that is one millisecond below the longest counts whole', beats: [149], at: 149, counted: 149, lost: 0 },
  { name: 'a beat that is exactly the longest counts whole', beats: [150], at: 150, counted: 150, lost: 0 },
  { name: 'a beat that is one millisecond late loses it', beats: [151], at: 151, counted: 150, lost: 1 },
  { name: 'a blocked event loop counts for one longest beat', beats: [5_000], at: 5_000, counted: 150, lost: 4_850 },
  { name: 'without a beat the clock stops at the longest', beats: [100], at: 1_000, counted: 250, lost: 750 },
  { name: 'beats in time add up to real time', beats: [100, 200, 300], at: 340, counted: 340, lost: 0 },
  { name: 'every late beat loses what is its own', beats: [200, 300, 900], at: 950, counted: 450, lost: 500 },
  { name: 'what an early beat leaves over does not pay for a late one', beats: [10, 400], at: 400, counted: 160, lost: 240 },
  { name: 'two beats at the same moment count nothing twice', beats: [120, 120], at: 120, counted: 120, lost: 0 }
]

for (const { name, beats, at, counted, lost } of rows) {
  t.test(name, async (t) => {
    const time = new CountedTime(LONGEST, START)
    for (const beat of beats) t.equal(time.beat(START + beat), time.now(START + beat), 'a beat gives the time')
    t.equal(time.now(START + at), counted)
    t.equal(time.lost, lost)
  })
}

t.test('asking changes nothing', async (t) => {
  const asked = new CountedTime(LONGEST, START)
  const quiet = new CountedTime(LONGEST, START)
  for (const at of [50, 149, 150, 151, 200, 480]) {
    asked.now(START + at)
    asked.now(START + at)
  }
  t.equal(asked.now(START + 480), 150, 'it stands still until the next beat')
  for (const time of [asked, quiet]) {
    t.equal(time.beat(START + 500), 150)
    t.equal(time.lost, 350)
    t.equal(time.beat(START + 600), 250)
    t.equal(time.lost, 350)
  }
})

t.test('counted and lost milliseconds are all the milliseconds there were', async (t) => {
  const time = new CountedTime(LONGEST, START)
  for (const beat of [90, 250, 251, 800, 810, 2_000]) {
    const counted = time.beat(START + beat)
    t.equal(counted + time.lost, beat)
    t.equal(time.now(START + beat + 5) + time.lost, beat + 5)
  }
})

t.test('the clock never goes back', async (t) => {
  const time = new CountedTime(LONGEST, START)
  let last = 0
  for (let at = 0; at < 3_000; at += 7) {
    const now = at % 13 === 0 ? time.beat(START + at) : time.now(START + at)
    t.ok(now >= last, `${at}: ${now} after ${last}`)
    last = now
  }
})
