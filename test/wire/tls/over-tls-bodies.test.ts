import { overTls } from '../../support/app/transport.js'

await overTls('wire/body/aborted-body', 'wire/body/body-idle-timeout', 'wire/body/body-timeout-and-min-rate', 'wire/body/idle-timeout-accuracy')
