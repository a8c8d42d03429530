import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--window-size=1400,1000'
]

/** The first Chromium on the path. */
export function findChromium (): string | undefined {
  const paths = (process.env['PATH'] ?? '').split(delimiter).flatMap(directory => names.map(name => join(directory, name)))
  return paths.find(isExecutable)
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The document as the browser has it once it is loaded. */
export async function dumpDom (chromium: string, url: string, more: readonly string[] = []): Promise<string> {
  const profile = mkdtempSync(join(tmpdir(), 'read-guard-chromium-'))
  try {
    const { stdout } = await promisify(execFile)(chromium, [...flags, ...more, `--user-data-dir=${profile}`, '--dump-dom', url], { maxBuffer: 1e8, timeout: 60_000 })
    return stdout
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

const schemes = { light: '--blink-settings=preferredColorScheme=1', dark: '--blink-settings=preferredColorScheme=0' }

/** What a script finds in the page, in one frame for each width: it is called with the frame's document and width. */
export async function inspect<Found> (chromium: string, page: string, widths: readonly number[], script: string, scheme: keyof typeof schemes = 'light'): Promise<Found[]> {
  const frames = widths.map(width => `<iframe src="/page" width="${width}" height="900" style="border:0"></iframe>`).join('')
  const call = `const frames = [...document.querySelectorAll('iframe')]
    const found = frames.map(frame => (${script})(frame.contentWindow.document, Number(frame.width), frame.contentWindow))
    document.getElementById('result').textContent = 'found:' + JSON.stringify(found) + ':end'`
  const harness = `<!doctype html><pre id="result"></pre>${frames}<script>onload = () => { ${call} }</script>`
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end(request.url === '/page' ? page : harness)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const dom = await dumpDom(chromium, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, [schemes[scheme]])
    const [, found] = /found:([\s\S]*?):end<\/pre>/.exec(dom) ?? []
    if (found === undefined) throw new Error('the browser did not get to look at the page')
    return JSON.parse(unescapeHtml(found)) as Found[]
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

const layout = `(page, width) => {
  const faults = []
  const overlap = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2
  const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1
  const say = (what, element) => faults.push(width + ' px: ' + what + ': ' + (element.textContent || element.outerHTML).slice(0, 80))
  for (const details of page.querySelectorAll('details')) details.open = true
  if (page.documentElement.scrollWidth > page.documentElement.clientWidth) say('the page is wider than the window', page.querySelector('h1'))
  for (const svg of page.querySelectorAll('svg')) {
    const box = svg.getBoundingClientRect()
    const texts = [...svg.querySelectorAll('text')].filter(text => text.getClientRects().length > 0 && text.textContent !== '')
    for (const shape of [...texts, ...svg.querySelectorAll('rect')]) if (!inside(shape.getBoundingClientRect(), box)) say('cut off', shape)
    for (const [index, text] of texts.entries()) {
      for (const other of texts.slice(index + 1)) if (overlap(text.getBoundingClientRect(), other.getBoundingClientRect())) say('overlaps ' + other.textContent, text)
    }
  }
  const narrow = width < 760 // tables are cards there, and their heads are for screen readers only
  for (const element of page.querySelectorAll('td,th,li,p,h1,h2,h3,figure,summary' + (narrow || width >= 1200 ? ',.table' : ''))) {
    if (narrow && element.closest('thead')) continue
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1) say('wider than its place', element)
  }
  return faults
}`

/** What is cut off, overlaps or is wider than its place, at windows of these widths. */
export async function layoutFaults (chromium: string, page: string, widths: readonly number[]): Promise<string[]> {
  return (await inspect<string[]>(chromium, page, widths, layout)).flat()
}

function unescapeHtml (text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&nbsp;', '\u00a0').replaceAll('&amp;', '&')
}
