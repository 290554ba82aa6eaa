import { linearScale, logScale, tightScale, type AxisScale } from './axis-scale.ts'
import { numberText } from './number-text.ts'
import { svgElement, svgText } from './svg-element.ts'

export interface PanelLine {
  /** Of the report's series, see report-style.ts. */
  readonly style: string
  readonly label: string
  readonly points: readonly (readonly [number, number])[]
}

/** A value to be held against, such as an objective. */
export interface PanelGuide {
  readonly value: number
  readonly label: string
}

export interface LinePanel {
  readonly title: string
  /** With its unit. */
  readonly yTitle: string
  readonly xTitle: string
  readonly lines: readonly PanelLine[]
  readonly guides?: readonly PanelGuide[]
  readonly isLog?: boolean
  /** Values move in steps, such as a count of replicas. */
  readonly isStepped?: boolean
  /** Marks at the points, where there are few. */
  readonly hasMarks?: boolean
  /** The end of the upright axis; else what the values ask for. */
  readonly top?: number
  /** What the time axis goes to at least. */
  readonly leastRight?: number
}

export interface PanelPlace {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

const margin = { left: 62, right: 14, top: 34, bottom: 40 } as const

/** A chart with lines: title, axes with units, grid, guides. */
export function linePanel(panel: LinePanel, place: PanelPlace): string {
  const frame = {
    left: place.x + margin.left,
    top: place.y + margin.top,
    width: place.width - margin.left - margin.right,
    height: place.height - margin.top - margin.bottom,
  }
  const { lines, guides = [] } = panel
  const rights = lines.flatMap(({ points }) => points.map(([x]) => x))
  const xs = tightScale(Math.max(...rights, panel.leastRight ?? 0))
  const values = [
    ...lines.flatMap(({ points }) => points.map(([, y]) => y)),
    // Room above a guide for its words.
    ...guides.map(({ value }) => value * 1.1),
  ]
  const ys =
    panel.isLog === true
      ? logScale(Math.min(...values.filter((value) => value > 0)), Math.max(...values))
      : linearScale(panel.top ?? Math.max(0, ...values))
  const chart: Chart = {
    frame,
    x: (value) => frame.left + xs.at(value) * frame.width,
    y: (value) => frame.top + (1 - ys.at(value)) * frame.height,
  }
  return svgElement(
    'g',
    { role: 'img', 'aria-label': panel.title },
    svgText(panel.title, { x: place.x + margin.left, y: place.y + 20, class: 'title' }) +
      gridOf(chart, xs, ys) +
      axisTitles(chart, panel, place) +
      guides.map((guide) => guideOf(chart, guide)).join('') +
      // The first one is on top.
      lines
        .toReversed()
        .map((line) => lineOf(chart, line, panel))
        .join(''),
  )
}

interface Frame {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

interface Chart {
  readonly frame: Frame
  readonly x: (value: number) => number
  readonly y: (value: number) => number
}

function gridOf({ frame, x, y }: Chart, xs: AxisScale, ys: AxisScale): string {
  const { left, top, width, height } = frame
  const across = ys.ticks.map(
    (tick) =>
      svgElement('path', { class: 'grid', d: `M${left} ${round(y(tick))}h${width}` }) +
      svgText(numberText(tick), {
        x: left - 8,
        y: y(tick) + 4,
        class: 'tick',
        'text-anchor': 'end',
      }),
  )
  const along = xs.ticks.map((tick) =>
    svgText(numberText(tick), {
      x: x(tick),
      y: top + height + 16,
      class: 'tick',
      'text-anchor': 'middle',
    }),
  )
  return [...across, ...along].join('')
}

function axisTitles({ frame }: Chart, { xTitle, yTitle }: LinePanel, place: PanelPlace): string {
  const middle = frame.top + frame.height / 2
  const turned = `rotate(-90 ${place.x + 14} ${round(middle)})`
  return (
    svgText(xTitle, {
      x: frame.left + frame.width / 2,
      y: frame.top + frame.height + 33,
      class: 'axis',
      'text-anchor': 'middle',
    }) +
    svgText(yTitle, {
      x: place.x + 14,
      y: middle,
      class: 'axis',
      'text-anchor': 'middle',
      transform: turned,
    })
  )
}

function guideOf({ frame, y }: Chart, { value, label }: PanelGuide): string {
  const at = round(y(value))
  const words = at - frame.top < 14 ? at + 13 : at - 4
  return (
    svgElement('path', { class: 'guide', d: `M${frame.left} ${at}h${frame.width}` }) +
    svgText(label, { x: frame.left + frame.width, y: words, class: 'tick', 'text-anchor': 'end' })
  )
}

function lineOf({ x, y }: Chart, line: PanelLine, panel: LinePanel): string {
  const places = line.points.map(([a, b]) => [round(x(a)), round(y(b))] as const)
  const path = places
    .map(([a, b], at) =>
      at > 0 && panel.isStepped === true ? `H${a}V${b}` : `${at === 0 ? 'M' : 'L'}${a} ${b}`,
    )
    .join('')
  const marks = panel.hasMarks === true ? places : []
  return (
    svgElement(
      'path',
      { class: `line ${line.style}`, d: path },
      svgElement('title', {}, line.label),
    ) +
    marks
      .map(([cx, cy]) => svgElement('circle', { class: `mark ${line.style}`, cx, cy, r: 3.5 }))
      .join('')
  )
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
