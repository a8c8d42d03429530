import { overTls } from '../support/transport.js'

await overTls('answer-on-its-way', 'linger-held-back', 'upload-cleanup', 'upgrade')
