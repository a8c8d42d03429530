import { overTls } from '../../support/app/transport.js'

await overTls('wire/response/pipelined-answer-order', 'wire/body/unusual-consumers')
