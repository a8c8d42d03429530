import { overTls } from '../support/transport.js'

await overTls('client-error-handler')
