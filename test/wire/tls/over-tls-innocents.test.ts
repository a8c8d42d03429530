import { overTls } from '../../support/app/transport.js'

await overTls('innocents/connections', 'innocents/slow-consumers', 'innocents/large-upload')
