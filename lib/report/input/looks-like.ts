import { plainText } from './plain-text.js'
import { looksPretty } from './pretty-output.js'

/** Programs and formats by the first bytes of their files. */
const magics: readonly (readonly [string, string])[] = [
  ['PAR1', 'Parquet: examples/logs has a query for it'],
  ['PK\u0003\u0004', 'a zip file: unzip -p unpacks it'],
  ['BZh', 'bzip2: bzcat unpacks it'],
  ['\u00fd7zXZ', 'xz: xzcat unpacks it'],
  ['\u0004\u0022\u004d\u0018', 'lz4: lz4cat unpacks it'],
  ['SQLite format 3', 'an SQLite database'],
  ['LPKSHHRH', "systemd's journal: journalctl -o cat reads it"],
  ['ustar', 'a tar file: tar -xO unpacks it'],
  ['%PDF', 'a PDF'],
  ['\u007fELF', 'a program']
]

/** Formats by the look of most lines. */
const forms: readonly (readonly [RegExp, string])[] = [
  [/^\S+ \S+ \S+ \[\d\d\/\w{3}\/\d{4}:[^\]]+\] "/, 'an access log of a web server: the records are in the log of the application'],
  [/^\d{4}\/\d\d\/\d\d [\d:]+ \[\w+\] \d+#/, 'an error log of nginx: the records are in the log of the application'],
  [/^(?:time|ts|level)=\S+ (?:\S+=)/, 'logfmt: the report needs the JSON that pino writes'],
  [/^\s*<(?:!doctype|html|\?xml)/i, 'HTML or XML'],
  [/^(?:[^,{"]+,){2,}[^,{"]*$/, 'CSV without log lines in it'],
  [/^ {4}at .+:\d+:\d+\)?$/, 'stack traces']
]

interface Counts {
  readonly lines: number
  readonly passedOver: { readonly text: number, readonly json: number, readonly broken: number, readonly tooLong: number }
}

/** Describes an input that has not one log line. */
export function looksLike (head: Buffer, { lines, passedOver }: Counts, samples: readonly string[]): string {
  const start = head.toString('latin1')
  const magic = magics.find(([bytes]) => start.startsWith(bytes))
  if (magic !== undefined) return magic[1]
  if (lines === 0) return 'nothing: it is empty'
  if (looksPretty(samples)) return 'the output of pino-pretty, which lacks fields that the report needs: give it the raw JSON lines that pino writes'
  if (head.includes(0)) return 'binary data'
  const form = forms.find(([pattern]) => samples.filter(sample => pattern.test(sample)).length * 2 > samples.length)
  if (form !== undefined) return form[1]
  if (passedOver.tooLong === lines) return 'lines longer than 1 MiB'
  const example = samples[0] === undefined ? '' : `, such as ${plainText(samples[0], 60)}`
  if (passedOver.json > passedOver.text + passedOver.broken) return `JSON other than log lines${example}`
  if (passedOver.broken > passedOver.text) return `truncated JSON${example}`
  return `text${example}`
}
