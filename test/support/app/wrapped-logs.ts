import { gzipSync } from 'node:zlib'

/** Makes of lines of pino's what a platform keeps: the whole file. */
type Wrap = (lines: readonly string[]) => string | Buffer

const time = '2025-03-01T12:00:00.123456789Z'
const each = (wrap: (line: string, index: number) => unknown): Wrap => lines => lines.map((line, index) => {
  const wrapped = wrap(line, index)
  return `${typeof wrapped === 'string' ? wrapped : JSON.stringify(wrapped)}\n`
}).join('')

/** Cuts a line into parts, as container runtimes do with those that are longer than 16 KiB. */
function cut (line: string, size: number): string[] {
  return Array.from({ length: Math.ceil(line.length / size) }, (_, index) => line.slice(index * size, (index + 1) * size))
}

const cri = (size: number) => each((line) => cut(line, size).map((part, index, parts) => `${time} stdout ${index === parts.length - 1 ? 'F' : 'P'} ${part}`).join('\n'))
const docker = (line: string) => ({ log: `${line}\n`, stream: 'stdout', time })
const datadog = (line: string) => {
  const { level, msg, message = msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  return { id: 'AAAA', type: 'log', attributes: { message, status: 'warn', timestamp: time, host: 'i-1', service: 'shop', tags: ['env:prod'], attributes: rest } }
}
const gcp = (line: string) => {
  const { level, ...rest } = JSON.parse(line) as Record<string, unknown>
  return { insertId: 'a', jsonPayload: { ...rest, level }, logName: 'projects/p/logs/stdout', resource: { type: 'k8s_container' }, timestamp: time, severity: 'WARNING' }
}
const cloudWatch = (line: string, index: number) => ({ logStreamName: 'shop/1', timestamp: 1_740_830_400_000, message: line, ingestionTime: 1_740_830_401_000, eventId: String(index) })

/** Each platform, as its own tool gives the lines out. */
export const wrappings: Readonly<Record<string, Wrap>> = {
  'bare NDJSON': each(line => line),
  'bare, with CRLF': lines => lines.map(line => `${line}\r\n`).join(''),
  'Docker json-file': each(docker),
  'Docker json-file, cut into parts': each(line => cut(line, 100).map((part, index, parts) => JSON.stringify({ log: index === parts.length - 1 ? `${part}\n` : part, stream: 'stdout', time })).join('\n')),
  'Docker json-file, with attributes': each(line => ({ log: `${line}\n`, stream: 'stderr', attrs: { tag: 'shop' }, time })),
  'Kubernetes CRI': cri(1e9),
  'Kubernetes CRI, cut into parts': cri(100),
  'kubectl --prefix': each(line => `[pod/shop-7d4b9/app] ${line}`),
  'kubectl --timestamps': each(line => `${time} ${line}`),
  'journalctl -o json': each(line => ({ __CURSOR: 's=1', __REALTIME_TIMESTAMP: '1740830400000000', PRIORITY: '6', _HOSTNAME: 'web-1', _SYSTEMD_UNIT: 'shop.service', MESSAGE: line })),
  'journalctl -o json-pretty': each(line => JSON.stringify({ __REALTIME_TIMESTAMP: '1740830400000000', PRIORITY: '6', MESSAGE: line }, null, '\t')),
  'journalctl -o json-seq': each(line => `\u001e${JSON.stringify({ PRIORITY: '6', MESSAGE: line })}`),
  'journalctl -o short': each(line => `Mar 01 12:00:00 web-1 shop[123]: ${line}`),
  'syslog (RFC 5424)': each(line => `<14>1 ${time} web-1 shop 123 - - ${line}`),
  'aws logs tail': each(line => `${time} shop/1 ${line}`),
  'aws logs filter-log-events': lines => JSON.stringify({ events: lines.map(cloudWatch), searchedLogStreams: [] }, null, 4),
  'aws logs filter-log-events, compact': lines => JSON.stringify({ events: lines.map(cloudWatch) }),
  'CloudWatch Logs Insights, JSON': lines => JSON.stringify(lines.map(line => ({ '@timestamp': time, '@message': line }))),
  'CloudWatch Logs Insights, CSV': lines => `@timestamp,@message\n${lines.map(line => `${time},"${line.replaceAll('"', '""')}"\n`).join('')}`,
  Lambda: each(line => `${time}\t8f5f7e2c-0000-0000-0000-000000000000\tINFO\t${line}`),
  Heroku: each(line => `${time} app[web.1]: ${line}`),
  'Docker Compose': each(line => `shop-1  | ${line}`),
  'Docker Compose, in colour': each(line => `\u001b[36mshop-1  | \u001b[0m${line}\u001b[0m`),
  PM2: each(line => `0|shop     | ${line}`),
  'PM2, JSON': each(line => ({ message: `${line}\n`, timestamp: time, type: 'out', process_id: 0, app_name: 'shop' })),
  Datadog: lines => JSON.stringify({ data: lines.map(datadog), meta: { page: {} } }, null, 2),
  'Datadog, a line each': each(datadog),
  'Datadog, unparsed': each(line => ({ id: 'AAAA', type: 'log', attributes: { message: line, status: 'info', timestamp: time, service: 'shop', attributes: {} } })),
  'Loki, logcli -o jsonl': each(line => ({ labels: { app: 'shop', level: 'warn' }, line, timestamp: time })),
  'Loki, logcli': each(line => `${time} {app="shop", pod="shop-1"} ${line}`),
  'Loki, the API': lines => JSON.stringify({ status: 'success', data: { resultType: 'streams', result: [{ stream: { app: 'shop' }, values: lines.map((line, index) => [`174083040000000000${index}`, line]) }] } }),
  'Fluent Bit': each(line => ({ date: 1_740_830_400.1, log: line, stream: 'stdout', kubernetes: { pod_name: 'shop-1', labels: { app: 'shop' } } })),
  'Fluent Bit, merged': each(line => ({ date: 1_740_830_400.1, log: `${line}\n`, stream: 'stdout', ...JSON.parse(line) as object, kubernetes: { pod_name: 'shop-1' } })),
  Filebeat: each(line => ({ '@timestamp': time, message: line, log: { offset: 1, file: { path: '/var/log/shop.log' } }, host: { name: 'web-1' }, agent: { type: 'filebeat' } })),
  Elasticsearch: lines => JSON.stringify({ took: 1, hits: { total: { value: lines.length }, hits: lines.map(line => ({ _index: 'logs', _source: { '@timestamp': time, message: line } })) } }),
  Vector: each(line => ({ host: 'web-1', message: line, source_type: 'docker_logs', timestamp: time })),
  'GCP, jsonPayload': lines => JSON.stringify(lines.map(gcp), null, 2),
  'GCP, jsonPayload, a line each': each(gcp),
  'GCP, textPayload': each(line => ({ insertId: 'a', textPayload: line, timestamp: time, severity: 'DEFAULT' })),
  'GCP, Ops Agent': each(line => ({ insertId: 'a', jsonPayload: { message: line }, timestamp: time })),
  'a JSON array': lines => `[${lines.join(',')}]`,
  'a JSON array, a line each': lines => `[\n${lines.join(',\n')}\n]\n`,
  'a JSON array of strings': lines => JSON.stringify(lines),
  'pretty-printed, as by jq': each(line => JSON.stringify(JSON.parse(line), null, 2)),
  'twice: Docker in CloudWatch': each((line, index) => cloudWatch(JSON.stringify(docker(line)), index)),
  'three times: Docker in Fluent Bit in GCP': each(line => ({ textPayload: JSON.stringify({ log: JSON.stringify(docker(line)) }), timestamp: time })),
  'behind a prefix in Docker': each(line => docker(`shop | ${line}`)),
  'UTF-16, little-endian': lines => Buffer.from(`\ufeff${lines.join('\r\n')}\r\n`, 'utf16le'),
  'UTF-16, big-endian': lines => Buffer.from(`\ufeff${lines.join('\r\n')}\r\n`, 'utf16le').swap16(),
  gzip: lines => gzipSync(`${lines.join('\n')}\n`),
  'gzip of UTF-16': lines => gzipSync(Buffer.from(`\ufeff${lines.join('\n')}`, 'utf16le'))
}
