// GraphQL with file uploads. PORT=3000 node examples/graphql-upload.js
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import mercurius from 'mercurius'
import upload from 'mercurius-upload'

const app = Fastify({ logger: true })

await app.register(readGuard)

// A route that a plugin makes gets its limits from a hook that is added before it.
app.addHook('onRoute', (route) => {
  if (route.url === '/graphql') route.config = { ...route.config, readGuard: { bodyIdleTimeout: 1_000, bodyLimit: 10_000_000 } }
})

await app.register(upload.default)
await app.register(mercurius, {
  schema: 'scalar Upload\ntype Query { ready: Boolean }\ntype Mutation { keep (file: Upload!): Int }',
  resolvers: {
    Mutation: {
      keep: async (_root, { file }) => {
        let bytes = 0
        for await (const chunk of (await file.promise).createReadStream()) bytes += chunk.length
        return bytes
      }
    }
  }
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
