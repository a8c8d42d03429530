import { overTls } from '../support/transport.js'

await overTls('observe-mode')
