import { overTls } from '../support/transport.js'

await overTls('content-length-mismatch')
