import { overTls } from '../support/transport.js'

await overTls('headers-refused')
