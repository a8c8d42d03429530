import { Duplex } from 'node:stream'
import tls from 'node:tls'

/** The first bytes of a TLS client. */
export async function clientHello (): Promise<Buffer> {
  let written = (_bytes: Buffer): void => {}
  const first = new Promise<Buffer>((resolve) => { written = resolve })
  const wire = new Duplex({
    read () {},
    write (bytes: Buffer, _encoding, done) {
      written(bytes)
      done()
    }
  })
  const client = tls.connect({ socket: wire, servername: 'localhost' })
  const hello = await first
  client.on('error', () => {})
  client.destroy()
  return hello
}
