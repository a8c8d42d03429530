import { overTls } from '../support/transport.js'

await overTls('request-read-guard')
