// A WebSocket beside ordinary routes. PORT=3000 node examples/websocket.js
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

await app.register(websocket, { options: { maxPayload: 65_536 } })

app.get('/chat', { websocket: true }, (socket) => {
  // The guard watches the request until it is upgraded. From there on, a client that is gone is found by a ping.
  let answered = true
  const ping = setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, 30_000)
  socket.on('pong', () => { answered = true })
  socket.on('close', () => clearInterval(ping))
  socket.on('message', (message) => socket.send(String(message)))
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
