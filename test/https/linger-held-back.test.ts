import { overTls } from '../support/transport.js'

await overTls('linger-held-back')
