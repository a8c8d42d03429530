import module from 'node:module'

/*
 * Has the coming major version of Fastify wherever Fastify is asked for, by an import or a require. Node 22 and later.
 */

/** @typedef {(specifier: string, context: object, next: (specifier: string, context: object) => object) => object} Resolve */

/** @type {Resolve} */
function resolve (specifier, context, next) {
  return next(specifier === 'fastify' ? 'fastify-next' : specifier, context)
}

const { registerHooks } = /** @type {{ registerHooks (hooks: { resolve: Resolve }): void }} */ (/** @type {unknown} */ (module)) // the types are those of Node 20
registerHooks({ resolve })
