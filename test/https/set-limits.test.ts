import { overTls } from '../support/transport.js'

await overTls('set-limits')
