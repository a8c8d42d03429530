import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { certificate } from '../support/app/certificate.js'
import { root } from '../support/app/packed.js'
import { until } from '../support/oracle/until.js'
import { answers, freePort } from './support.js'

/** A line of a proxy's access log, as the examples' formats have it. */
export interface ProxyLine {
  readonly id: string
  readonly client: string
  readonly request: string
  readonly status: number
  /** nginx: what the application answered. */
  readonly upstream_status?: string
  /** HAProxy: which side ended the exchange, and in which phase. */
  readonly state?: string
  readonly request_bytes: number
  readonly response_bytes: number
}

/** A real proxy in front of an application, with a configuration of `examples/behind-a-proxy/`. */
export interface RunningProxy {
  readonly port: number
  readonly tlsPort: number
  /** Its access log so far. */
  readonly lines: () => ProxyLine[]
  /** Resolves with the access log once there are at least so many lines. */
  readonly logged: (count?: number) => Promise<ProxyLine[]>
  /** What else it said. */
  readonly messages: () => string
}

/** What a configuration says, and what a trial needs said in its place. */
export type Changes = Readonly<Record<string, string>>

export const nginxVersion = /nginx\/([\d.]+)/.exec(spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr ?? '')?.[1]
export const haproxyVersion = /version ([\d.]+)/.exec(spawnSync('haproxy', ['-v'], { encoding: 'utf8' }).stdout ?? '')?.[1]

/** The text of an example with each place changed, which must be there. */
export function changed (example: string, changes: Changes): string {
  let text = readFileSync(join(root, 'examples', example), 'utf8')
  for (const [before, after] of Object.entries(changes)) {
    if (!text.includes(before)) throw new Error(`${example} has no ${JSON.stringify(before)}`)
    text = text.replaceAll(before, after)
  }
  return text
}

/** A folder that the workers of a server started by root may read, and that is gone after the test. */
export function folderFor (t: Test, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`))
  chmodSync(folder, 0o755)
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

/** Ends a program with the test, before its folder goes. */
export function endWith (t: Test, program: ChildProcess): void {
  const ended = once(program, 'exit')
  t.teardown(async () => {
    program.kill('SIGTERM')
    await ended
  })
}

function parsed (text: string): ProxyLine[] {
  return text.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as ProxyLine)
}

async function running (program: ChildProcess, port: number, tlsPort: number, text: () => { access: string, messages: string }): Promise<RunningProxy> {
  const lines = (): ProxyLine[] => parsed(text().access)
  await until(() => answers(`http://127.0.0.1:${port}/health`) || program.exitCode !== null, 'the proxy listens')
  if (program.exitCode !== null) throw new Error(`the proxy ended: ${text().messages}`)
  await until(() => lines().length > 0, 'the proxy logs')
  const before = lines().length
  const own = (): ProxyLine[] => lines().slice(before)
  return {
    port,
    tlsPort,
    lines: own,
    logged: async (count = 1) => {
      await until(() => own().length >= count, `${count} lines of the proxy, got ${JSON.stringify(own())}`)
      return own()
    },
    messages: () => text().messages
  }
}

export async function nginxBefore (t: Test, application: number, changes: Changes = {}): Promise<RunningProxy> {
  const folder = folderFor(t, 'nginx')
  const [port, tlsPort] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'certificate.pem'), certificate.cert)
  writeFileSync(join(folder, 'key.pem'), certificate.key)
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, changed('behind-a-proxy/nginx.conf', {
    ...changes,
    '127.0.0.1:3000': `127.0.0.1:${application}`,
    '127.0.0.1:8080': `127.0.0.1:${port}`,
    '127.0.0.1:8443': `127.0.0.1:${tlsPort}`,
    'worker_processes auto': 'worker_processes 1'
  }))
  const program = spawn('nginx', ['-p', folder, '-c', file, '-e', join(folder, 'error.log'), '-g', 'daemon off;'], { stdio: 'ignore' })
  endWith(t, program)
  const read = (name: string): string => existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : ''
  return running(program, port, tlsPort, () => ({ access: read('access.log'), messages: read('error.log') }))
}

export async function haproxyBefore (t: Test, application: number, changes: Changes = {}): Promise<RunningProxy> {
  const folder = folderFor(t, 'haproxy')
  const [port, tlsPort] = [await freePort(), await freePort()]
  const pem = join(folder, 'certificate-and-key.pem')
  writeFileSync(pem, certificate.cert + certificate.key)
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, changed('behind-a-proxy/haproxy.cfg', {
    ...changes,
    '127.0.0.1:3000': `127.0.0.1:${application}`,
    '127.0.0.1:8081': `127.0.0.1:${port}`,
    '127.0.0.1:8444': `127.0.0.1:${tlsPort}`,
    'certificate-and-key.pem': pem
  }))
  const program = spawn('haproxy', ['-f', file, '-db'], { stdio: ['ignore', 'pipe', 'pipe'] })
  endWith(t, program)
  let [access, messages] = ['', '']
  program.stdout.setEncoding('utf8').on('data', (text: string) => { access += text })
  program.stderr.setEncoding('utf8').on('data', (text: string) => { messages += text })
  return running(program, port, tlsPort, () => ({ access, messages: messages + access }))
}
