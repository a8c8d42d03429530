import { overTls } from '../support/transport.js'

await overTls('answers-in-turn', 'unusual-consumers')
