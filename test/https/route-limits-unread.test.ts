import { overTls } from '../support/transport.js'

await overTls('route-limits-unread')
