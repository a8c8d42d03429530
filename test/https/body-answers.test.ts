import { overTls } from '../support/transport.js'

await overTls('body-after-answer', 'body-too-large', 'body-who-answers')
