// Tests of others that come out otherwise with the guard, each with the rule by which it does. Whatever differs and does not stand here
// fails the run, and so does what stands here and no longer differs.

/** @typedef {import('./compare.js').Expected} Expected */

/**
 * @typedef {object} Group
 * @property {string} reason
 * @property {boolean} [byAnyPlugin] the empty plugin makes the same difference
 * @property {RegExp} [node] the major versions on which it happens, where it does not on all
 * @property {Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>} tests by suite and file
 */

/** @type {readonly Group[]} */
const groups = [
  {
    reason: 'A plugin that is no plugin of its own scope adds its name to that of the scope.',
    byAnyPlugin: true,
    tests: {
      fastify: {
        'test/plugin.2.test.js': ['set the plugin name based on the plugin displayName symbol', 'plugin name will change when using no encapsulation'],
        'test/plugin.4.test.js': ['hasPlugin returns true when using no encapsulation']
      },
      '@fastify/otel': {
        'test/env-vars.test.js': ['Environment variable aware FastifyInstrumentation > Instrumentation#enabled > should create spans with fastify-specific attributes (service.name comes from resource)'],
        'test/index.test.js': [
          'should create anonymous span (simple case)',
          'should infer propagated span',
          'should create named span (simple case)',
          'should set http.route to route pattern for parameterized routes',
          'should create span for different hooks',
          'should create span for different hooks (patched)',
          'should create span for different hooks (error scenario)',
          'should create named span (404 - customized)',
          'should create named span (404 - customized with hooks)',
          'should create named span (404 - customized with hooks) #2',
          'should create span when the handler is overriden',
          'should create span when wrapped handler is invoked as (socket, request)',
          'should end spans upon error',
          'should end spans upon error (with hook)',
          'should end spans upon error (with hook [array])'
        ].map((test) => `FastifyInstrumentation > Instrumentation#enabled > ${test}`),
        'test/sdk.test.js': [
          'FastifyOtelInstrumentation with opentelemetry.NodeSDK > should export spans when registered as a NodeSDK instrumentation',
          'FastifyOtelInstrumentation with opentelemetry.NodeSDK > should export spans when registered as Fastify plugin'
        ]
      }
    }
  },
  {
    reason: 'The lists of plugins and of hooks have those of every plugin.',
    byAnyPlugin: true,
    tests: { fastify: { 'test/pretty-print.test.js': ['pretty print - empty plugins', 'pretty print - includeMeta, includeHooks'] } }
  },
  {
    reason: 'Fastify names the last onReady hook, whichever it is that does not call back, and a plugin has one behind that of the test.',
    byAnyPlugin: true,
    tests: { fastify: { 'test/hooks.on-ready.test.js': ['onReady does not call done'] } }
  },
  {
    reason: 'The test asks for a route without onError hooks, and a plugin has one.',
    byAnyPlugin: true,
    tests: {
      '@fastify/cors': {
        'test/hooks.test.js': [
          'Should set hook onRequest if hook option is not set',
          'Should set hook onRequest if hook option is set to onRequest',
          'Should set hook preParsing if hook option is set to preParsing',
          'Should set hook preParsing if hook option is set to preParsing #2',
          'Should set hook preValidation if hook option is set to preValidation',
          'Should set hook preHandler if hook option is set to preHandler',
          'Should set hook preSerialization if hook option is set to preSerialization'
        ]
      }
    }
  },
  {
    reason: 'A head that is malformed is answered by the guard, in the shape and with the headers of Fastify\'s other answers, and its code is FST_READ_MALFORMED.',
    tests: {
      fastify: {
        'test/404s.test.js': ['Unknown method'],
        'test/reply-error.test.js': ['Should reply 400 on client error'],
        'test/request-error.test.js': ['non-numeric content-length is rejected before Fastify body parsing']
      }
    }
  },
  {
    reason: 'A head that runs out of time is answered by the guard, in the shape and with the headers of Fastify\'s other answers.',
    tests: { fastify: { 'test/client-timeout.test.js': ['requestTimeout should return 408'] } }
  },
  {
    reason: 'A body that ends with another length than it declared is FST_READ_LENGTH_MISMATCH; over the network, the parser of Node and not that of Fastify sees it first.',
    tests: {
      fastify: { 'test/content-length.test.js': ['default 400 with wrong content-length', 'custom 400 with wrong content-length'] },
      '@fastify/compress': {
        'test/routes-decompress.test.js': ['When using routes `decompress` settings : > it should return FST_ERR_CTP_INVALID_CONTENT_LENGTH when Content-Length mismatches payload']
      }
    }
  },
  {
    reason: 'onResponse runs, and "request completed" is logged, for a client that leaves as well; Fastify\'s "stream closed prematurely" comes after it.',
    tests: {
      fastify: {
        'test/hooks.test.js': ['onRequestAbort should be triggered'],
        'test/stream.3.test.js': [
          'Destroying streams prematurely',
          'Destroying streams prematurely should call close method',
          'Destroying streams prematurely should call close method when destroy is not a function'
        ],
        'test/stream.4.test.js': ['Destroying streams prematurely should call abort method']
      }
    }
  },
  {
    reason: 'One warning says that an application without a logger, and without onAbort, sees no record.',
    tests: { fastify: { 'test/listen.1.test.js': ['listen works without arguments'] } }
  }
]

/** @type {readonly Expected[]} */
export const expected = groups.flatMap(({ tests: suites, ...rest }) => Object.entries(suites).flatMap(([suite, files]) =>
  Object.entries(files).flatMap(([file, tests]) => tests.map((test) => ({ suite, file, test, ...rest })))))
