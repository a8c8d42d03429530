// AWS Lambda. The file is the function; it does not listen.
import awsLambda from '@fastify/aws-lambda'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })

await app.register(readGuard)

// API Gateway has read the body before the function is called: limits in time find nothing to measure here, sizes do.
app.post('/notes', { config: { readGuard: { bodyLimit: 100_000 } } }, async (request) => ({ saved: request.body }))

export const handler = awsLambda(app)
await app.ready()
