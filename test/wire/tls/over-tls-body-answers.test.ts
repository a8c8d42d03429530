import { overTls } from '../../support/app/transport.js'

await overTls('wire/linger/rest-of-body-after-answer', 'wire/body/body-limit', 'wire/body/who-answers-a-failed-body')
