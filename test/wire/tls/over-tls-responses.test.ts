import { overTls } from '../../support/app/transport.js'

await overTls('wire/response/client-left', 'wire/response/slow-reader', 'innocents/responses')
