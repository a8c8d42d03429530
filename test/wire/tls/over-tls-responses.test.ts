import { overTls } from '../../support/app/transport.js'

await overTls('wire/response/client-left', 'wire/response/whole-for-its-client', 'wire/response/slow-reader', 'wire/response/untaken-last-answer', 'innocents/responses')
