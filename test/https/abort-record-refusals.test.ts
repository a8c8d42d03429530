import { overTls } from '../support/transport.js'

await overTls('abort-record-refusals')
