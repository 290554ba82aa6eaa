import type { LabRecord } from '../lab-record.ts'
import { hasLoads } from '../lab-table.ts'
import type { Objective } from '../outcome.ts'
import { linePanel, type LinePanel } from './line-panel.ts'
import { reportStyle, seriesStyle } from './report-style.ts'
import { sloPanel } from './slo-panel.ts'
import { summaryHeight, summaryPanel, summaryWidth } from './summary-panel.ts'
import { escaped, svgElement, svgText } from './svg-element.ts'
import { timePanels } from './time-panels.ts'

export interface LabReport {
  readonly title: string
  /** What was run, a line each. */
  readonly words: readonly string[]
  readonly records: readonly LabRecord[]
  readonly objective: Objective
  /** Of one replica. */
  readonly maxLoras: number
}

const leastWidth = 1140
const edge = 24
const gap = 16
const panelHeight = 240

/** A page of SVG that needs nothing else: what was run, figures, attainment by load, and how it went over time. */
export function labReport(report: LabReport): string {
  const { records, words } = report
  const shown = loadShown(records)
  const timed = records.filter(({ load }) => load === shown)
  const inner = Math.max(leastWidth - 2 * edge, Math.ceil(summaryWidth(timed, records)))
  const names = [...new Set(records.map(({ name }) => name))]
  const styleOf = (name: string): string => seriesStyle(Math.max(0, names.indexOf(name)))
  const shownWords = `Figures and what goes over time: at ${shown} × the tape’s load.`
  const lines = hasLoads(records) ? [...words, shownWords] : words
  const tableTop = edge + 34 + lines.length * 18
  let top = tableTop + summaryHeight(timed) + gap
  const parts = [
    svgText(report.title, { x: edge, y: edge + 16, class: 'head' }),
    ...lines.map((line, at) => svgText(line, { x: edge, y: edge + 40 + at * 18, class: 'words' })),
    summaryPanel(
      { records: timed, all: records, styleOf },
      { x: edge, y: tableTop, width: inner, height: 0 },
    ),
  ]
  const place = (panel: LinePanel, column: number, columns: number): void => {
    const each = (inner - gap * (columns - 1)) / columns
    const x = edge + column * (each + gap)
    parts.push(linePanel(panel, { x, y: top, width: each, height: panelHeight }))
    top += column === columns - 1 ? panelHeight + gap : 0
  }
  if (hasLoads(records)) {
    place(sloPanel(records, styleOf), 0, 1)
  }
  for (const [at, panel] of timePanels(timed, { ...report, styleOf }).entries()) {
    place(panel, at % 2, 2)
  }
  return pageOf(report, parts.join(''), { width: inner + 2 * edge, height: top })
}

/** The tape's own load, else the nearest to it. */
function loadShown(records: readonly LabRecord[]): number {
  return records.reduce(
    (best, { load }) => (Math.abs(load - 1) < Math.abs(best - 1) ? load : best),
    records[0]?.load ?? 1,
  )
}

function pageOf(
  { title, words }: LabReport,
  content: string,
  { width, height }: { readonly width: number; readonly height: number },
): string {
  return `${svgElement(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'document',
    },
    svgElement('title', {}, escaped(title)) +
      svgElement('desc', {}, escaped(words.join(' '))) +
      svgElement('style', {}, reportStyle()) +
      svgElement('rect', { class: 'page', width: '100%', height: '100%' }) +
      content,
  )}\n`
}
