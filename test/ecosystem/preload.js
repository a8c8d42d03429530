// For `--import`: gives every application that the process makes the plugin of this run, before the code that makes the application
// can add anything to it. Which one is told by the environment, so that processes that a test starts get it as well.
import diagnosticsChannel from 'node:diagnostics_channel'

/** @typedef {'control' | 'empty' | 'guard'} Variant */

/** @returns {Promise<import('fastify').FastifyPluginAsync | undefined>} */
async function pluginOf (/** @type {string | undefined} */ variant) {
  if (variant === 'control') return undefined
  if (variant === 'empty') return (await import('./empty-plugin.js')).emptyPlugin
  // As published; the types are those of the sources, which are the same.
  if (variant === 'guard') return (await import('../../dist/index.js')).default
  throw new Error(`There is no variant ${variant}`)
}

const variant = process.env.ECOSYSTEM_VARIANT
const plugin = await pluginOf(variant)

if (plugin !== undefined) {
  // After the package's own subscriber, which is told of routes.
  diagnosticsChannel.subscribe('fastify.initialization', (message) => {
    const { fastify } = /** @type {{ fastify: import('fastify').FastifyInstance }} */ (message) // what this channel tells
    if (!fastify.version.startsWith('5.')) return
    if (variant === 'empty') fastify.addHook('onRoute', () => {})
    fastify.register(plugin)
  })
}
