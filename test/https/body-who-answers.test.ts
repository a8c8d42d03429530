import { overTls } from '../support/transport.js'

await overTls('body-who-answers')
