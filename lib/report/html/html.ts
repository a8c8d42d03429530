/** Text that is HTML already. */
export class Html {
  readonly #text: string

  constructor (text: string) {
    this.#text = text
  }

  toString (): string {
    return this.#text
  }
}

export type HtmlValue = Html | string | number | readonly Html[]

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Escapes the values of a template, for text and for quoted attributes, unless they are `Html` already. */
export function html (strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.map((string, index) => string + valueText(values[index] ?? '')).join(''))
}

function valueText (value: HtmlValue): string {
  if (value instanceof Html) return value.toString()
  if (typeof value === 'object') return value.join('')
  return String(value).replace(/[&<>"']/g, character => entities[character] ?? '')
}

/** Attributes that name the number of the `--json` output that an element shows. */
export function jsonPoint (path: string, value: number): Html {
  return html`data-json="${path}" data-value="${value}"`
}
