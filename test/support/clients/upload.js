import { setTimeout as wait } from 'node:timers/promises'

/*
 * Every client of this folder is a program that uploads, and tells on a line of JSON for each try what it saw. It is
 * told what to send: <url> <bytes> <length|chunked> <stall, milliseconds> <tries>.
 */

const [target = '', size = '0', framing = 'length', pause = '0', times = '1'] = process.argv.slice(2)

export const url = target
export const bytes = Number(size)
export const isChunked = framing === 'chunked'
/** How long to stop half-way, in milliseconds; 0 is not at all. */
export const stall = Number(pause)
export const tries = Number(times)

/** An answer that takes longer does not come. In milliseconds. */
const PATIENCE = 15_000
const PIECE = 65_536

/** @typedef {{ statusCode: number, body?: string }} Saw */

/** The body as a client has it that knows its length. */
export function whole () {
  return Buffer.alloc(bytes, 'x')
}

/** @param {number} length */
function * split (length) {
  for (let left = length; left > 0; left -= PIECE) yield Buffer.alloc(Math.min(PIECE, left), 'x')
}

/** The body as it is made, with the stall in the middle. */
export async function * pieces () {
  yield * split(Math.floor(bytes / 2))
  if (stall > 0) await wait(stall, undefined, { ref: false })
  yield * split(Math.ceil(bytes / 2))
}

/** Headers for a body that is sent piece by piece. */
export function lengthIfKnown () {
  return isChunked ? {} : { 'Content-Length': String(bytes) }
}

/** Whether the body is given in one piece. */
export const isWhole = !isChunked && stall === 0

/** @param {() => Promise<Saw>} attempt */
async function attemptInTime (attempt) {
  const late = wait(PATIENCE).then(() => { throw new Error('no answer') })
  return Promise.race([attempt(), late])
}

/** @param {() => Promise<Saw>} attempt */
export async function tell (attempt) {
  for (let left = tries; left > 0; left--) {
    let line
    try {
      line = await attemptInTime(attempt)
    } catch (error) {
      const { cause, code, message } = /** @type {Error & { code?: string, cause?: { code?: string } }} */ (error)
      line = { error: cause?.code ?? code ?? message }
    }
    console.log(JSON.stringify(line))
  }
  // What is kept alive, or still waits to be sent, is of no interest.
  process.exit()
}
