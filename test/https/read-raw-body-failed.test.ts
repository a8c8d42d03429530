import { overTls } from '../support/transport.js'

await overTls('read-raw-body-failed')
