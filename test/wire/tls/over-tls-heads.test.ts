import { overTls } from '../../support/app/transport.js'

await overTls('wire/head/first-head-timeout', 'wire/head/node-timeouts-as-backstop', 'wire/head/max-headers-count', 'wire/head/later-head-timeout', 'wire/head/client-leaves-in-head', 'wire/head/pipelined-head-timeout', 'wire/head/min-headers-rate', 'wire/head/refused-head', 'wire/head/client-error-handler')
