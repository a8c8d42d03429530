import dns from 'node:dns'

/** The addresses of `localhost` from here on. */
export const localhosts = ['127.0.0.1', '127.0.0.2'] as const

type Callback = (error: Error | null, address: string | dns.LookupAddress[], family?: number) => void

/** Has `localhost` stand for two addresses also where the machine has only one, so that Fastify starts a second server. */
export function twoLocalhosts (): void {
  const { lookup } = dns
  const patched = (host: string, ...rest: [dns.LookupOptions, Callback] | [Callback]): void => {
    const [options, callback] = rest.length === 1 ? [{}, rest[0]] : rest
    if (host !== 'localhost') (lookup as (...args: unknown[]) => void)(host, options, callback)
    else if ('all' in options && options.all === true) callback(null, localhosts.map(address => ({ address, family: 4 })))
    else callback(null, localhosts[0], 4)
  }
  dns.lookup = patched as typeof dns.lookup
}
