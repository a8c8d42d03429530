import { setTimeout as wait } from 'node:timers/promises'

/** How often the condition is asked, in milliseconds. */
const POLL = 5

/**
 * Resolves once the condition holds.
 *
 * @param what is waited for: the error says it
 * @param timeout in milliseconds, for a machine that is busy with much else
 */
export async function until (condition: () => boolean | Promise<boolean>, what: string, timeout = 15_000): Promise<void> {
  const deadline = performance.now() + timeout
  while (!await condition()) {
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`)
    await wait(POLL)
  }
}
