/** Fastify's own limits on the time of a request, in milliseconds; 0 is off. */
interface Settings {
  readonly requestTimeout?: number
  readonly connectionTimeout?: number
}

/** What is to be said of settings of Fastify's that end reads in their own way, beside the guard. */
export function settingsBeside ({ requestTimeout = 0, connectionTimeout = 0 }: Settings): string[] {
  return [
    ...(requestTimeout > 0 ? [`requestTimeout: ${requestTimeout} stands beside fastify-read-guard: Node ends requests by it with a bare 408, of which the application is told nothing. Leave it off, bodyTimeout and headersTimeout do the same`] : []),
    ...(connectionTimeout > 0 ? [`connectionTimeout: ${connectionTimeout} stands beside fastify-read-guard: it closes connections without an answer or a record, also while a handler works. Leave it off, bodyIdleTimeout and responseIdleTimeout do the same`] : [])
  ]
}
