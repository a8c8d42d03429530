import { overTls } from '../../support/app/transport.js'

await overTls('wire/body/content-length', 'wire/body/content-length-mismatch', 'wire/body/route-limits', 'wire/body/body-nobody-reads', 'wire/body/set-limits', 'wire/body/request-read-guard', 'wire/body/read-raw-body', 'wire/body/read-raw-body-errors')
