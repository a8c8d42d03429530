import type { FastifyInstance } from 'fastify'

/**
 * What becomes of a body that fails:
 * - `told`: the consumer hears of it, and the framework answers at once;
 * - `late`: the consumer hears of it when it starts to read, `OWN_TIME` after it happened;
 * - `untold`: the consumer can't hear of it, so that the answer is given for it after a short grace;
 * - `mute`: nobody reads, and nobody answers: the answer is given after the long grace;
 * - `own`: nobody reads, and the handler gives its own answer `OWN_TIME` after it happened;
 * - `early`: the answer is there before the body.
 */
export type Fate = 'told' | 'late' | 'untold' | 'mute' | 'own' | 'early'

/** How long after the failure the slow ones read or answer, in milliseconds. */
export const OWN_TIME = 100

/** Takes note of something that has to come to an end, whatever becomes of the body. */
export type Track = <T>(work: Promise<T>) => Promise<T>

/** One way in which an application takes a body, or does not. */
export interface Consumer {
  readonly name: string
  readonly fate: Fate
  readonly url: string
  /** The pattern in the record; `undefined` where there is no route. */
  readonly route: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** A valid body of at least so many bytes; 300 or more. */
  readonly body: (bytes: number) => Buffer
  /** Whether Fastify's own `bodyLimit` reaches it. */
  readonly buffers: boolean
  /** The answer where the application has one of its own. */
  readonly statusCode?: number
  /** Whether it answers before a body can be refused: a hook of `onRequest` does. */
  readonly answersFirst?: boolean
  /** What its own plugin logs of a failed body. */
  readonly says?: string
  readonly register: (app: FastifyInstance, track: Track) => void | Promise<void>
}
