import { overTls } from '../../support/app/transport.js'

await overTls('innocents/minimum-rate')
