/** The command cannot do what it was asked to. The message goes to standard error as one line, and the exit status is 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export const usageText = `Usage: fastify-read-guard report [options] [file …]
       fastify-read-guard demo

report reads pino's lines, bare or as Docker, Kubernetes, journald, CloudWatch, Loki, Google Cloud and others keep
them, and reports the reads that failed, and what they say about the limits. Files may be compressed (gzip, zstd);
\`-\`, or no file, is standard input. It cannot read the output of pino-pretty.

demo has clients, innocent and hostile, call an application on this machine, without and with the guard. It takes ten
seconds, and needs Fastify.

Options of report
  --group-by WHAT   rows by route, reason, client or hour; by route and reason if not given
  --route PATTERN   only this route, as it is registered (/files/:id); * stands for any text
  --since TIME      only from then on: 2025-03-01, 2025-03-01T14:00, or back from now: 30m, 2h, 7d
  --until TIME      only before then
  --json            print JSON; times in ms, sizes in bytes, rates in bytes per second, shares from 0 to 1
  --html FILE       also write a self-contained page with charts
  --help            print this
  --version         print the version

Times are UTC unless they say otherwise (2025-03-01T14:00+02:00). Counts and sums are exact, medians and other quantiles
within 1%; rows marked ≥ are lower bounds (too many distinct values to track). Exit status: 0; 1 if not one line is a
log line; 2 if the command cannot do what it was asked to.
`
