import { overTls } from '../support/transport.js'

await overTls('content-length', 'content-length-mismatch', 'route-limits', 'route-limits-unread', 'set-limits', 'request-read-guard', 'read-raw-body', 'read-raw-body-failed')
