/** Makes a function that tells whether a route matches the pattern. Each `*` stands for any text, also for a `*`. */
export function routeFilter (pattern: string): (route: string) => boolean {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return route => route === pattern
  return route => {
    if (!route.startsWith(head) || !route.endsWith(tail)) return false
    let at = head.length
    for (const part of rest) {
      const found = route.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return at <= route.length - tail.length
  }
}
