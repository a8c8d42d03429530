import { overTls } from '../support/transport.js'

await overTls('body-abort', 'body-stall', 'body-trickle', 'body-verdict')
