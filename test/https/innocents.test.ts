import { overTls } from '../support/transport.js'

await overTls('innocent-connections', 'innocent-consumers', 'innocent-upload')
