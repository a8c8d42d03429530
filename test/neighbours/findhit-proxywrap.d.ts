declare module 'findhit-proxywrap' {
  import type http from 'node:http'

  interface ProxyWrapOptions {
    /** Refuses connections that do not begin with a PROXY line. */
    readonly strict?: boolean
    /** Gives the client's address for `socket.remoteAddress`. */
    readonly overrideRemote?: boolean
  }

  const proxywrap: { proxy (of: typeof http, options?: ProxyWrapOptions): Pick<typeof http, 'createServer'> }
  export default proxywrap
}
