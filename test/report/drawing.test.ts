import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { abortLine, logOf, noon, run, variedRecords } from '../support/app/report-log.js'
import { findChromium, inspect } from '../support/client/report-browser.js'
import { contrast } from '../support/oracle/contrast.js'

const chromium = findChromium() ?? ''
const skip = chromium === '' && 'there is no chromium on this machine'
const directory = t.testdir()

async function pageOf (stdin: string): Promise<string> {
  const file = join(directory, `page-${Math.random()}.html`)
  const { stderr } = await run(['report', '--html', file], { stdin })
  if (stderr !== '') throw new Error(stderr)
  return readFileSync(file, 'utf8')
}

interface Mark {
  readonly value: number
  readonly length: number
  readonly start: number
  readonly end: number
}

interface Drawing {
  /** Of each chart with bars, by what its rectangles say that they show. */
  readonly bars: Mark[][]
  readonly columns: { readonly marks: Mark[], readonly zero: number, readonly top: number, readonly highest: number }[]
}

/** Lengths as the browser has drawn them, beside the values they stand for. */
const measure = `(page) => {
  const marks = (svg, length, start, end) => [...svg.querySelectorAll('rect')].map(rect => {
    const box = rect.getBoundingClientRect()
    return { value: Number(rect.dataset.value), length: box[length], start: box[start], end: box[end] }
  })
  const lines = svg => [...svg.querySelectorAll('line:not(.mark)')].map(line => line.getBoundingClientRect().top)
  return {
    bars: [...page.querySelectorAll('svg.bars')].map(svg => marks(svg, 'width', 'left', 'right')),
    columns: [...page.querySelectorAll('svg.area')].map(svg => ({
      marks: marks(svg, 'height', 'bottom', 'top'),
      zero: Math.max(...lines(svg)),
      top: Math.min(...lines(svg)),
      highest: Math.max(...[...svg.previousElementSibling.querySelectorAll('text')].map(text => Number(text.textContent.replace('k', '000'))))
    }))
  }
}`

t.test('bars and columns are as long as their values, from the line at zero on', { skip, timeout: 60_000 }, async t => {
  const found = await inspect<Drawing>(chromium, await pageOf(logOf(variedRecords(3000))), [400, 1200], measure)
  for (const { bars, columns } of found) {
    t.equal(bars.length, 4)
    t.equal(columns.length, 6)
    for (const marks of bars) {
      const sum = (pick: (mark: Mark) => number) => marks.reduce((total, mark) => total + pick(mark), 0)
      const unit = sum(({ length }) => length) / sum(({ value }) => value)
      t.same(marks.filter(({ value, length }) => Math.abs(length - value * unit) > 1), [], `${marks.length} bars, ${unit.toFixed(3)} px each read`)
    }
    for (const { marks, zero, top, highest } of columns) {
      const unit = (zero - top) / highest
      t.same(marks.filter(({ value, length }) => Math.abs(length - value * unit) > 1), [], `${marks.length} parts of columns, ${unit.toFixed(3)} px each read`)
      t.ok(marks.some(({ start }) => Math.abs(start - zero) < 1), 'they stand on the line at zero')
      t.ok(marks.every(({ start, end }) => start <= zero + 1 && end >= top - 1), 'and end below the highest')
    }
  }
})

t.test('a limit is marked where its rate is on the axis', { skip, timeout: 60_000 }, async t => {
  const rates = [1, 2, 5, 10, 20, 50, 100, 200, 500]
  const limits = [10, 30, 240]
  const stdin = limits.flatMap(limit => rates.map(rate => abortLine({ limit, rate: rate * 1.01 }))).join('\n')
  const places = `(page) => {
    const svg = [...page.querySelectorAll('svg.area')].find(svg => svg.querySelector('line.mark'))
    const left = svg.getBoundingClientRect().left
    return {
      ticks: [...svg.querySelectorAll('text:not(.mark)')].map(text => [text.textContent, Number.parseFloat(text.getAttribute('x')) / 100 * svg.getBoundingClientRect().width]),
      marks: [...svg.querySelectorAll('line.mark')].map(line => line.getBoundingClientRect().left - left),
      labels: [...svg.querySelectorAll('text.mark')].map(text => text.textContent)
    }
  }`
  const found = await inspect<{ ticks: [string, number][], marks: number[], labels: string[] }>(chromium, await pageOf(stdin), [400, 1200], places)
  for (const { ticks, marks, labels } of found) {
    t.same(labels, ['minBodyRate 10 B/s', 'minBodyRate 30 B/s', 'minBodyRate 240 B/s'])
    const at = new Map(ticks)
    const ten = at.get('10') ?? NaN
    const decade = (at.get('100') ?? NaN) - ten
    const third = decade / 3 // the steps 1, 2 and 5 are as wide as each other, and each of them is logarithmic
    const expected = [ten, ten + third * (1 + Math.log(30 / 20) / Math.log(50 / 20)), ten + decade + third * (1 + Math.log(240 / 200) / Math.log(500 / 200))]
    for (const [index, place] of expected.entries()) t.ok(Math.abs((marks[index] ?? NaN) - place) < 1.5, `${labels[index]}: ${marks[index]} for ${place}`)
  }
})

t.test('light and dark follow the reader\'s scheme, and all text can be read in both', { skip, timeout: 60_000 }, async t => {
  const stdin = `${logOf(variedRecords(1000))}${JSON.stringify({ time: noon })}\n`
  const colours = `(page, width, window) => {
    const ground = element => {
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor } = window.getComputedStyle(at)
        if (backgroundColor !== 'rgba(0, 0, 0, 0)') return backgroundColor
      }
    }
    const texts = [...page.querySelectorAll('h1,h2,h3,p,b,span,li,td,th,summary,footer,svg text')]
    const pairs = texts.map(element => {
      const style = window.getComputedStyle(element)
      return JSON.stringify([element instanceof window.SVGElement ? style.fill : style.color, ground(element)])
    })
    return { ground: ground(page.body), pairs: [...new Set(pairs)].map(pair => JSON.parse(pair)) }
  }`
  const page = await pageOf(stdin)
  const grounds: string[] = []
  for (const scheme of ['light', 'dark'] as const) {
    const [found] = await inspect<{ ground: string, pairs: [string, string][] }>(chromium, page, [1200], colours, scheme)
    grounds.push(found?.ground ?? '')
    t.ok((found?.pairs.length ?? 0) >= 3)
    for (const [text, ground] of found?.pairs ?? []) t.ok(contrast(text, ground) >= 4.5, `${scheme}: ${text} on ${ground} has ${contrast(text, ground).toFixed(2)}`)
  }
  t.same(grounds, ['rgb(255, 255, 255)', 'rgb(15, 19, 24)'])
})
