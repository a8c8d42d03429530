import http from 'node:http'

/** Why a test of an option of Node's HTTP server is skipped: this Node does not check what it does not have. */
export function withoutOption (name: string): string | false {
  try {
    http.createServer({ [name]: Symbol('of no option') })
  } catch {
    return false
  }
  return `Node ${process.versions.node} has no ${name}`
}
