import { median } from './statistics.ts'
import type { TargetName } from './targets/target.ts'

/** What a figure of the gateway is held against. */
export type Bar =
  | { readonly kind: 'TimesBare'; readonly atMost: number }
  | { readonly kind: 'OverNginx'; readonly atMost: number }
  | { readonly kind: 'AtLeast'; readonly value: number }
  | { readonly kind: 'AtMost'; readonly value: number }
  /** A ratio to the bare relay that no bar is set for. */
  | { readonly kind: 'Told' }

/** One figure, for every target, once a round. */
export class Measure {
  readonly label: string
  readonly unit: string
  readonly digits: number
  readonly bar: Bar | undefined
  readonly #values = new Map<TargetName, number[]>()

  constructor(label: string, unit: string, digits: number, bar?: Bar) {
    this.label = label
    this.unit = unit
    this.digits = digits
    this.bar = bar
  }

  add(target: TargetName, value: number): void {
    this.#values.set(target, [...this.of(target), value])
  }

  of(target: TargetName): readonly number[] {
    return this.#values.get(target) ?? []
  }

  get targets(): readonly TargetName[] {
    return [...this.#values.keys()]
  }

  /** The gateway's figure against the bar's yardstick: of medians, and round by round. */
  get comparison(): Comparison | undefined {
    const ours = this.of('gateway')
    const { bar } = this
    if (ours.length === 0 || bar === undefined) {
      return undefined
    }
    if (bar.kind === 'AtLeast') {
      return compare(ours, median(ours) >= bar.value)
    }
    if (bar.kind === 'AtMost') {
      return compare(ours, median(ours) <= bar.value)
    }
    const theirs = this.of(bar.kind === 'OverNginx' ? 'nginx' : 'bare')
    if (theirs.length === 0) {
      return undefined
    }
    const perRound = ours.map((value, round) => {
      const base = theirs[round] ?? Number.NaN
      return bar.kind === 'OverNginx' ? value - base : value / base
    })
    return compare(perRound, bar.kind === 'Told' ? undefined : median(perRound) <= bar.atMost)
  }

  toJSON(): unknown {
    return {
      label: this.label,
      unit: this.unit,
      bar: this.bar,
      rounds: Object.fromEntries(this.#values),
      medians: Object.fromEntries(this.targets.map((target) => [target, median(this.of(target))])),
      comparison: this.comparison,
    }
  }
}

export interface Comparison {
  readonly perRound: readonly number[]
  readonly median: number
  readonly min: number
  readonly max: number
  /** Undefined where no bar is set. */
  readonly isKept: boolean | undefined
}

function compare(perRound: readonly number[], isKept: boolean | undefined): Comparison {
  return {
    perRound,
    median: median(perRound),
    min: Math.min(...perRound),
    max: Math.max(...perRound),
    isKept,
  }
}

export interface Report {
  readonly suite: string
  readonly title: string
  readonly measures: readonly Measure[]
  readonly notes: readonly string[]
}

export function printReport(report: Report): string {
  const columns = [...new Set(report.measures.flatMap((measure) => measure.targets))]
  const header = ['', ...columns, 'gateway against the bar']
  const rows = report.measures.map((measure) => [
    `${measure.label}, ${measure.unit}`,
    ...columns.map((target) => cell(measure, target)),
    verdict(measure),
  ])
  const notes = report.notes.map((note) => `  ${note}`)
  return [`\n${report.suite}: ${report.title}`, ...align([header, ...rows]), ...notes].join('\n')
}

/** Median and, where there are rounds to span, the range. */
function cell(measure: Measure, target: TargetName): string {
  const values = measure.of(target)
  if (values.length === 0) {
    return '–'
  }
  const text = (value: number) => value.toFixed(measure.digits)
  const range =
    values.length < 2 ? '' : ` [${text(Math.min(...values))}–${text(Math.max(...values))}]`
  return `${text(median(values))}${range}`
}

function verdict({ bar, comparison }: Measure): string {
  if (bar === undefined) {
    return ''
  }
  if (comparison === undefined) {
    return `– (${barText(bar)})`
  }
  const figure = (value: number) => value.toFixed(bar.kind === 'AtLeast' ? 0 : 2)
  const range = `${figure(comparison.median)} [${figure(comparison.min)}–${figure(comparison.max)}]`
  return bar.kind === 'Told'
    ? `${range} × bare`
    : `${range}, ${barText(bar)}: ${comparison.isKept === true ? 'kept' : 'MISSED'}`
}

function barText(bar: Bar): string {
  switch (bar.kind) {
    case 'TimesBare':
      return `bar ≤ ${bar.atMost} × bare`
    case 'OverNginx':
      return `bar ≤ ${bar.atMost} over nginx`
    case 'AtLeast':
      return `bar ≥ ${bar.value}`
    case 'AtMost':
      return `bar ≤ ${bar.value}`
    case 'Told':
      return '× bare'
    default:
      return bar satisfies never
  }
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    `  ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}
