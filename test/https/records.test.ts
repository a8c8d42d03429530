import { overTls } from '../support/transport.js'

await overTls('abort-record', 'abort-record-log', 'abort-record-refusals', 'abort-stats', 'client-error-handler', 'observe-mode', 'observe-mode-heads', 'reconcile')
