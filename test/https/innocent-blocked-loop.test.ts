import { overTls } from '../support/transport.js'

await overTls('innocent-blocked-loop')
