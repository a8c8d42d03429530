import { overTls } from '../support/transport.js'

await overTls('innocent-rate')
