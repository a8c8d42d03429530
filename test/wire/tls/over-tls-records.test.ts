import { overTls } from '../../support/app/transport.js'

await overTls('record/abort-record', 'record/one-record', 'record/record-log-line', 'record/fastify-refusals', 'record/stats-and-on-abort', 'wire/head/client-error-handler', 'wire/body/observed-bodies', 'wire/head/observed-heads', 'fuzz/records-against-client-accounts')
