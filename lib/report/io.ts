import type { Readable } from 'node:stream'

/** Where text goes: a stream, or in a test an object that keeps the text. */
export interface Output {
  write (text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Everything that the command uses of its process, beside files. A test gives its own. */
export interface Io {
  /** `fd` is there where it is a file or a pipe of the system. */
  readonly stdin: Readable & { readonly isTTY?: boolean, readonly fd?: number }
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds since the epoch. `--since 2h` counts back from there. */
  readonly now: () => number
}
