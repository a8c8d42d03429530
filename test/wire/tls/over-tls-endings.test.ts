import { overTls } from '../../support/app/transport.js'

await overTls('wire/response/slowly-taken-answer', 'wire/linger/held-back-until-answered', 'wire/body/upload-cleanup', 'wire/upgrade/upgrade')
