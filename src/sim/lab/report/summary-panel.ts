import { capacitiesOf, capacityText } from '../capacity.ts'
import { hasLoads, labTable } from '../lab-table.ts'
import type { LabRecord } from '../lab-record.ts'
import type { PanelPlace } from './line-panel.ts'
import { svgElement, svgText } from './svg-element.ts'

const rowHeight = 22
/** Of the line before a name. */
const sampleWidth = 44
/** Of a character, about. */
const letterWidth = 6.7
/** Between two columns. */
const leastGap = 10

export function summaryHeight(records: readonly LabRecord[]): number {
  return (records.length + 1) * rowHeight
}

/** Less, and words of one column would run into the next. */
export function summaryWidth(shown: readonly LabRecord[], all: readonly LabRecord[]): number {
  const widths = columnWidths(withCapacity(labTable(shown), all))
  return sampleWidth + widths.reduce((sum, each) => sum + each + leastGap, 0)
}

export interface SummaryOptions {
  /** Runs at the load that is shown. */
  readonly records: readonly LabRecord[]
  /** At all loads: of several, what each of them takes is a column. */
  readonly all: readonly LabRecord[]
  readonly styleOf: (name: string) => string
}

/** The table of figures; the samples of lines in it are the legend of all charts. */
export function summaryPanel(
  { records, all, styleOf }: SummaryOptions,
  { x, y, width }: PanelPlace,
): string {
  const [head = [], ...rows] = withCapacity(labTable(records), all)
  const ends = columnEnds([head, ...rows], width)
  const rowOf = (cells: readonly string[], at: number, style: string): string =>
    cells
      .map((cell, column) =>
        svgText(cell, {
          x: column === 0 ? x + sampleWidth : x + (ends[column] ?? 0) - 8,
          y: y + at * rowHeight + 15,
          class: style,
          'text-anchor': column === 0 ? 'start' : 'end',
        }),
      )
      .join('')
  const lines = rows.map((cells, at) => {
    const top = y + (at + 1) * rowHeight
    const stripe =
      at % 2 === 0
        ? svgElement('rect', { class: 'stripe', x, y: top, width, height: rowHeight, rx: 3 })
        : ''
    const sample = svgElement('path', {
      class: `line ${styleOf(records[at]?.name ?? '')}`,
      d: `M${x + 10} ${top + rowHeight / 2}h24`,
    })
    return stripe + sample + rowOf(cells, at + 1, 'cell')
  })
  return rowOf(head, 0, 'column') + lines.join('')
}

/** Where columns end: as wide as their words, and what is left shared evenly. */
function columnEnds(rows: readonly (readonly string[])[], width: number): readonly number[] {
  const widths = columnWidths(rows)
  const rest = width - sampleWidth - widths.reduce((sum, each) => sum + each, 0)
  let end = sampleWidth
  return widths.map((each) => {
    end += each + rest / widths.length
    return end
  })
}

function columnWidths(rows: readonly (readonly string[])[]): readonly number[] {
  return (rows[0] ?? []).map(
    (_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)) * letterWidth,
  )
}

function withCapacity(
  [head = [], ...rows]: readonly (readonly string[])[],
  all: readonly LabRecord[],
): readonly (readonly string[])[] {
  if (!hasLoads(all)) {
    return [head, ...rows]
  }
  const texts = new Map(capacitiesOf(all).map((each) => [each.name, capacityText(each)]))
  return [[...head, '99 % UP TO'], ...rows.map((row) => [...row, texts.get(row[0] ?? '') ?? ''])]
}
