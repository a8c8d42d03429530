import { register } from 'node:module'

/*
 * Loads TypeScript for the tests, in the place of tap's own loader, which starts the compiler twice in every process: of
 * 2 s of processor time that a test file took at the least, 1.4 were for that.
 */
register('./transpile-hooks.js', import.meta.url)

// `FASTIFY=6` runs them on the coming major version of Fastify.
if (process.env['FASTIFY'] === '6') await import('./fastify-next.js')
