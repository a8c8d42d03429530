import { setTimeout as wait } from 'node:timers/promises'

/*
 * Every client of this folder is a program that makes uploads, and tells on a line of JSON for each try what it saw of
 * the answer. It is told where, how often, and what: <origin> <tries> <uploads, as JSON>.
 */

/**
 * An upload that is answered before its end.
 * @typedef {object} Upload
 * @property {string} name
 * @property {string} path
 * @property {number} bytes
 * @property {boolean} chunked whether the client does not tell the length
 * @property {number} stall how long it stops half-way, in milliseconds; 0 is not at all
 * @property {number} statusCode the answer
 */

/** @typedef {{ statusCode: number, body?: string }} Saw */

const [origin = '', times = '1', list = '[]'] = process.argv.slice(2)

export { origin }
export const tries = Number(times)
/** @type {Upload[]} */
export const uploads = JSON.parse(list)

/** An answer that takes longer does not come. In milliseconds. */
const PATIENCE = 10_000
const PIECE = 65_536

export const type = 'application/x-stream'

/**
 * Whether the body is given in one piece.
 * @param {Upload} upload
 */
export function isWhole ({ chunked, stall }) {
  return !chunked && stall === 0
}

/** @param {Upload} upload */
export function whole ({ bytes }) {
  return Buffer.alloc(bytes, 'x')
}

/** @param {number} length */
function * split (length) {
  for (let left = length; left > 0; left -= PIECE) yield Buffer.alloc(Math.min(PIECE, left), 'x')
}

/**
 * The body as it is made, with the stall in the middle.
 * @param {Upload} upload
 */
export async function * pieces ({ bytes, stall }) {
  yield * split(Math.floor(bytes / 2))
  if (stall > 0) await wait(stall)
  yield * split(Math.ceil(bytes / 2))
}

/**
 * Headers for a body that is given piece by piece.
 * @param {Upload} upload
 */
export function headersOf ({ chunked, bytes }) {
  return { 'Content-Type': type, ...(chunked ? {} : { 'Content-Length': String(bytes) }) }
}

/** @param {Promise<Saw>} attempt */
async function inTime (attempt) {
  const late = wait(PATIENCE).then(() => { throw new Error('no answer') })
  return Promise.race([attempt, late])
}

/** @param {(upload: Upload, url: string) => Promise<Saw>} attempt */
export async function tell (attempt) {
  for (const upload of uploads) {
    for (let left = tries; left > 0; left--) {
      let line
      try {
        line = await inTime(attempt(upload, origin + upload.path))
      } catch (error) {
        const { cause, code, message } = /** @type {Error & { code?: string, cause?: { code?: string } }} */ (error)
        line = { error: cause?.code ?? code ?? message }
      }
      console.log(JSON.stringify(line))
    }
  }
  // What is kept alive, or still waits to be sent, is of no interest.
  process.exit()
}
