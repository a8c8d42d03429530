import { drawWorld, hostileApp, type World } from '../app/hostile-app.js'
import { drawScript, type Http1Script, type Smaller } from '../client/http1-script.js'
import { type Played, playHttp1 } from '../client/play-http1.js'
import type { Crashes } from './crashes.js'
import { verdict } from './http1-verdict.js'
import { Random } from './random.js'
import { connectionsOf, underWay } from './server-state.js'
import { shrink } from './shrink.js'
import { until } from './until.js'

/** Connections of one application, which is made from a seed as well. */
export const TOGETHER = 25
/** How long an application may take to close, in milliseconds. */
const CLOSES_WITHIN = 15_000
/** How often a failure has to be looked for before it is said that it is not seen again. */
const TRIES = 3

/** One connection, whole or made smaller. */
export interface Choice extends Smaller {
  readonly seed: number
}

/** Something that can't be right. */
export interface Wrong {
  /** Of the connection that shows it; none where it is the application's. */
  readonly seed?: number
  /** Those of which it may be, where it is the application's. */
  readonly suspects?: readonly number[]
  readonly what: string
  readonly details: object
}

interface Stage {
  readonly tls: boolean
  readonly isGuarded: boolean
  readonly crashes: Crashes
}

export function worldOf (seed: number, tls: boolean): World {
  return drawWorld(new Random(Math.floor(seed / TOGETHER) + 0x51ed), tls)
}

function scriptOf ({ seed, ...smaller }: Choice, world: World): Http1Script {
  return drawScript(new Random(Math.imul(seed + 1, 0x9e3779b1)), world, `${seed}`, smaller)
}

async function endsInTime (what: Promise<unknown>, limit: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), limit) })
  const isInTime = await Promise.race([what.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

export interface Plays {
  readonly wrong: readonly Wrong[]
  readonly plays: ReadonlyArray<{ readonly seed: number, readonly script: Http1Script, readonly played: Played }>
}

/** Plays connections of one application at once, and tells all that can't be right. */
export async function playTogether (choices: readonly Choice[], { tls, isGuarded, crashes }: Stage): Promise<Plays> {
  const seeds = choices.map(({ seed }) => seed)
  const world = worldOf(seeds[0] ?? 0, tls)
  const wrong: Wrong[] = []
  const hostile = await hostileApp(world, { isGuarded })
  const { app, records } = hostile
  const leave = crashes.enter(`seeds ${seeds.join()} over ${tls ? 'https' : 'http'}`)
  if (world.closesAfter !== undefined) setTimeout(() => { app.close() }, world.closesAfter)
  const plays = await Promise.all(choices.map(async (choice) => {
    const script = scriptOf(choice, world)
    return { seed: choice.seed, script, played: await playHttp1(hostile, script, tls) }
  }))
  const isDeserted = world.closesAfter !== undefined || await until(async () => await connectionsOf(app) === 0, '').then(() => true, () => false)
  if (!isDeserted) {
    // It will not close either, and what it reads goes on.
    const left = plays.filter(({ played }) => !hostile.hasClosed(played.port))
    wrong.push({
      what: `${await connectionsOf(app)} connections are left`,
      suspects: left.map(({ seed }) => seed),
      details: { left: left.map(({ seed, script }) => `${seed}: ${script.name}`), world }
    })
    app.server.closeAllConnections()
  } else if (isGuarded && world.closesAfter === undefined) {
    await until(() => underWay(app) === 0, '').catch(() => wrong.push({ what: 'reads are left', details: { world, reading: app.readGuard.stats().reading } }))
  }
  if (!await endsInTime(app.close(), CLOSES_WITHIN)) {
    wrong.push({ what: 'the application does not close', details: { world } })
    app.server.closeAllConnections()
  }
  leave()
  const { linger } = world.guard
  const isAnswerSure = isGuarded && typeof linger === 'object' && (linger.bytes ?? 0) > 100_000 && !world.hasClientErrorHandler
  for (const { seed, script, played } of plays) {
    const own = records.filter(({ url, remotePort }) => url === undefined ? remotePort === played.port && played.port !== undefined : script.urls.includes(url))
    for (const what of verdict(script, played, own, isAnswerSure, world)) {
      wrong.push({ seed, what, details: { did: script.name, end: played.end, text: played.text.slice(0, 1_500), world, records: own } })
    }
  }
  return { wrong, plays }
}

/** Two failures of the same kind differ in no more than numbers. */
function kindOf (what: string): string {
  return what.replaceAll(/\d+/g, '#')
}

interface Least {
  /** How it is replayed, or that it was not seen again. */
  readonly replay: string
  /** Whether it is seen without the guard as well: it is Node's, or the application's own. */
  readonly isStock: boolean
}

/** Looks for the least that shows a failure. */
export async function smallest ({ seed, suspects, what }: Wrong, choices: readonly Choice[], stage: Stage): Promise<Least> {
  const isSeenWith = (count: number, isGuarded = stage.isGuarded) => async (some: readonly Choice[]): Promise<boolean> => {
    for (let i = 0; i < count; i++) {
      const { wrong } = await playTogether(some, { ...stage, isGuarded })
      if (wrong.some(other => kindOf(other.what) === kindOf(what))) return true
    }
    return false
  }
  const isSeen = isSeenWith(1)
  let some = choices
  const alone = choices.filter(choice => choice.seed === seed || suspects?.includes(choice.seed) === true)
  if (alone.length > 0 && await isSeenWith(TRIES)(alone)) some = alone
  else if (await isSeen(some)) some = await shrink(some, isSeen)
  else return { replay: 'not seen again', isStock: false }
  const isStock = await isSeenWith(1, false)(some)
  const [only, ...others] = some
  if (only === undefined || others.length > 0) return { replay: `FUZZ_SEED=${some.map(choice => choice.seed).join()}`, isStock }
  const all = scriptOf(only, worldOf(only.seed, stage.tls)).urls.map((_, index) => index)
  const exchanges = await shrink(all, (kept) => isSeen([{ ...only, exchanges: kept }]))
  const isPlain = await isSeen([{ ...only, exchanges, isPlain: true }])
  const smaller = [exchanges.length < all.length && `FUZZ_EXCHANGES=${exchanges.join()}`, isPlain && 'FUZZ_PLAIN=1'].filter(part => part !== false)
  return { replay: [`FUZZ_SEED=${only.seed}`, ...smaller, `FUZZ_PROTOCOL=${stage.tls ? 'https' : 'http'}`].join(' '), isStock }
}
