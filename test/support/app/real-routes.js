/** Runs in the page: what it saw of each try stands in the document, as a line of JSON. */
const attempts = `
const saw = document.getElementById('saw')
const query = new URLSearchParams(location.search)
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
async function tell (attempt) {
  for (const upload of JSON.parse(query.get('uploads'))) {
    for (let left = Number(query.get('tries')); left > 0; left--) {
      let line
      try { line = await attempt(upload) } catch (error) { line = { error: String(error) } }
      saw.textContent += JSON.stringify(line) + '\\n'
    }
  }
}
`

const fetchPage = `<!doctype html><title>fetch</title><pre id="saw"></pre><script>${attempts}
async function * pieces ({ bytes, stall }) {
  for (const half of [Math.floor(bytes / 2), Math.ceil(bytes / 2)]) {
    for (let left = half; left > 0; left -= 65_536) yield new Uint8Array(Math.min(65_536, left))
    await wait(stall)
  }
}
function streamed (upload) {
  const all = pieces(upload)
  return new ReadableStream({
    async pull (controller) {
      const { done, value } = await all.next()
      if (done) controller.close()
      else controller.enqueue(value)
    }
  })
}
const headers = { 'Content-Type': 'application/x-stream' }
tell(async (upload) => {
  const { path, bytes, chunked, stall } = upload
  const body = chunked || stall > 0 ? { body: streamed(upload), duplex: 'half' } : { body: new Blob([new Uint8Array(bytes)]) }
  const response = await fetch(path, { method: 'POST', headers, ...body })
  return { statusCode: response.status, body: await response.text() }
})
</script>`

const formPage = `<!doctype html><title>form</title><pre id="saw"></pre>
<form method="post" enctype="multipart/form-data" target="answer"><input type="file" name="file"></form>
<iframe name="answer"></iframe><script>${attempts}
const [form] = document.forms
const [frame] = document.getElementsByName('answer')
const loaded = () => new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }))
tell(async ({ path, bytes }) => {
  const files = new DataTransfer()
  files.items.add(new File([new Uint8Array(bytes)], 'upload'))
  form.elements.file.files = files.files
  form.action = path
  form.submit()
  await loaded()
  // The browser's own page about an error is not ours to read.
  const { contentWindow: answer, contentDocument: document } = frame
  const [{ responseStatus }] = answer.performance.getEntriesByType('navigation')
  return { statusCode: responseStatus, body: document.querySelector('pre').textContent }
})
</script>`

/**
 * Where the uploads of `real-clients.js` go, and the pages from which a browser makes them.
 * @param {import('fastify').FastifyInstance} app guarded
 */
export function realRoutes (app) {
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.post('/limited', { config: { readGuard: { bodyLimit: 1_000_000 } } }, (request) => request.readRawBody())
  app.post('/slow', { config: { readGuard: { bodyIdleTimeout: 300 } } }, (request) => request.readRawBody())
  app.post('/measured', { config: { readGuard: { requireContentLength: true } } }, (request) => request.readRawBody())
  app.post('/private', {
    onRequest: async (_request, reply) => reply.code(401).send({ statusCode: 401, error: 'Unauthorized', message: 'Who are you?' })
  }, (request) => request.readRawBody())
  for (const [url, page] of Object.entries({ '/fetch': fetchPage, '/form': formPage })) {
    app.get(url, (_request, reply) => reply.type('text/html').send(page))
  }
}
