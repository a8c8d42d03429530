import { EventEmitter } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import t from 'tap'
import { OpenStreams } from '../../../lib/http2/open-streams.js'
import type { ResponseSession, StreamResponse } from '../../../lib/http2/stream-response.js'

/** A session as far as a stream asks for it that is not dispatched. */
function makeSession (open: OpenStreams): ResponseSession {
  return { onStreamClosed: (response: StreamResponse) => open.delete(response) } as unknown as ResponseSession
}

function makeStream (): ServerHttp2Stream {
  return Object.assign(new EventEmitter(), { writableFinished: true, headersSent: true, aborted: false }) as unknown as ServerHttp2Stream
}

t.test('streams that close in any order leave the others open', async t => {
  const open = new OpenStreams()
  const session = makeSession(open)
  const streams = [makeStream(), makeStream(), makeStream(), makeStream()] as const
  const responses = streams.map((stream) => open.enter(session, stream))
  t.equal(open.enter(session, streams[1]), responses[1], 'one that is known is not entered again')
  t.same([open.count, open.added], [4, 4])
  streams[1].emit('close')
  streams[3].emit('close')
  streams[0].emit('close')
  t.same([open.count, open.added], [1, 4])
  streams[2].emit('close')
  t.equal(open.count, 0)
})

t.test('a stream whose close is emitted twice is taken out once', async t => {
  const open = new OpenStreams()
  const session = makeSession(open)
  const [first, second, third] = [makeStream(), makeStream(), makeStream()]
  for (const stream of [first, second, third]) open.enter(session, stream)
  first.emit('close')
  first.emit('close')
  t.equal(open.count, 2)
  second.emit('close')
  third.emit('close')
  t.equal(open.count, 0)
})
