import type { Readable } from 'node:stream'

/** Where text goes: a stream, or in a test an object that keeps what it is given. */
export interface Output {
  write (text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** All the command touches beside files, so that a test can stand in for the process. */
export interface Io {
  /** `fd` where it is a file or a pipe of the system. */
  readonly stdin: Readable & { readonly isTTY?: boolean, readonly fd?: number }
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds since the epoch: what `--since 2h` counts back from. */
  readonly now: () => number
}
