/** Tells whether a path belongs to a route, as Fastify's router does, but for the expressions of parameters. */
export interface RoutePattern {
  readonly matches: (path: string) => boolean
  /** Of two routes that match, the one with the lower rank is meant: text before parameters, these before wildcards. */
  readonly rank: string
}

interface Part {
  readonly kind: 'text' | 'parameter' | 'wildcard'
  /** The text, or the text before the parameter. */
  readonly text: string
}

/** @param route as it is registered: `/files/:id`, `/static/*` */
export function routePattern (route: string): RoutePattern {
  const isOptional = /\/:[^/]*\?$/.test(route)
  const parts = route.split('/').map(partOf)
  const wildcard = parts.findIndex(({ kind }) => kind === 'wildcard')
  const shown = wildcard === -1 ? parts : parts.slice(0, wildcard + 1)
  return {
    matches: path => {
      const given = path.split('/')
      if (isOptional && given.length === shown.length - 1) given.push('-')
      if (wildcard === -1 ? given.length !== shown.length : given.length < shown.length) return false
      return shown.every(({ kind, text }, index) => {
        const segment = given[index] ?? ''
        if (kind === 'text') return segment === text
        return segment.startsWith(text) // a parameter may be empty
      })
    },
    rank: shown.map(({ kind }) => ({ text: '0', parameter: '1', wildcard: '2' })[kind]).join('')
  }
}

function partOf (segment: string): Part {
  const literal = segment.replaceAll('::', '\u0000')
  const at = literal.search(/[:*]/)
  if (at === -1) return { kind: 'text', text: literal.replaceAll('\u0000', ':') }
  return { kind: literal[at] === '*' ? 'wildcard' : 'parameter', text: literal.slice(0, at).replaceAll('\u0000', ':') }
}
