import { overTls } from '../support/transport.js'

await overTls('answer-on-its-way')
