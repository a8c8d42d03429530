import t from 'tap'
import { compile, typedConsumers } from '../support/app/typed-consumers.js'

t.test('the packed types say what can be done with it, to ESM and CommonJS', { timeout: 120_000 }, async (t) => {
  t.same(await compile(await typedConsumers(t), 'typescript/bin/tsc'), [])
})
