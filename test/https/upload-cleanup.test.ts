import { overTls } from '../support/transport.js'

await overTls('upload-cleanup')
