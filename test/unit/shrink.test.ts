import t from 'tap'
import { shrink } from '../support/oracle/shrink.js'

const numbers = Array.from({ length: 25 }, (_, i) => i)

t.test('what a failure does not need is left out', async (t) => {
  t.strictSame(await shrink(numbers, async (some) => some.includes(7)), [7])
  t.strictSame(await shrink(numbers, async (some) => some.includes(3) && some.includes(24)), [3, 24])
  t.strictSame(await shrink(numbers, async (some) => [1, 2, 11, 20].every(number => some.includes(number))), [1, 2, 11, 20])
})

t.test('what fails only once is left as it is, after a bounded number of runs', async (t) => {
  let runs = 0
  const isSeen = async (): Promise<boolean> => {
    runs++
    return false
  }
  t.strictSame(await shrink(numbers, isSeen), numbers)
  t.ok(runs <= 60, `${runs} runs`)
  t.strictSame(await shrink([1], isSeen), [1])
})
