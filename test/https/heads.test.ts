import { overTls } from '../support/transport.js'

await overTls('headers', 'headers-backstop', 'headers-count', 'headers-later', 'headers-left', 'headers-pipelined', 'headers-rate', 'headers-refused')
