import { Socket } from 'node:net'
import { startApp } from './apps.js'
import { bare, guarded } from './servers.js'
import { median, summary } from './stats.js'

const json = JSON.stringify({ a: 'x'.repeat(1_000) })

const requests = {
  GET: 'GET / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n',
  '1 KB JSON POST': `POST / HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`
}

/** Rounds before what they take counts: by then everything is compiled. */
const WARMING = 10

/** A connection without an operating system below it: requests are pushed into it, and answers end here. */
class Wire extends Socket {
  #answered = () => {}
  #bytes = 0

  get pending () { return this.destroyed }
  get bytesRead () { return this.#bytes }

  _write (_chunk, _encoding, done) {
    done()
    this.#answered()
  }

  _writev (_chunks, done) {
    done()
    this.#answered()
  }

  _read () {}

  ask (request) {
    return new Promise((resolve) => {
      this.#answered = resolve
      this.#bytes += request.length
      this.push(request)
    })
  }
}

async function wireTo (app) {
  const wire = new Wire({ allowHalfOpen: true })
  app.server.emit('connection', wire)
  return wire
}

/** Nanoseconds for each of so many requests. */
async function block (wire, request, count) {
  const started = process.hrtime.bigint()
  for (let i = 0; i < count; i++) await wire.ask(request)
  return Number(process.hrtime.bigint() - started) / count
}

/**
 * What the guard adds where nothing is noisier than JavaScript: nanoseconds per request, of blocks in turns. With a
 * network below it the whole request takes several times as long, and the caches are colder.
 */
export async function withoutNetwork (rounds, count) {
  const apps = [await startApp(bare), await startApp(guarded), await startApp(bare)]
  const rows = []
  for (const [name, text] of Object.entries(requests)) {
    const request = Buffer.from(text)
    const wires = await Promise.all(apps.map(wireTo))
    const found = [[], [], []]
    const order = [0, 1, 2]
    for (let round = -WARMING; round < rounds; round++) {
      for (const index of [...order, ...order.toReversed()]) {
        const took = await block(wires[index], request, count)
        if (round >= 0) found[index].push(took)
      }
      order.push(order.shift())
    }
    for (const wire of wires) wire.destroy()
    const [without, with_, again] = found
    const added = summary(with_.map((took, i) => took - (without[i] + again[i]) / 2))
    const same = summary(again.map((took, i) => took - without[i]))
    rows.push({ name, without: median([...without, ...again]), added, same, least: Math.min(...with_) - Math.min(...without, ...again) })
  }
  await Promise.all(apps.map((app) => app.close()))
  return rows
}
