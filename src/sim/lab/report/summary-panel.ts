import { capacitiesOf, capacityText } from '../capacity.ts'
import { hasLoads, labTable } from '../lab-table.ts'
import type { LabRecord } from '../lab-record.ts'
import type { PanelPlace } from './line-panel.ts'
import { svgElement, svgText } from './svg-element.ts'

const rowHeight = 22

export function summaryHeight(records: readonly LabRecord[]): number {
  return (records.length + 1) * rowHeight
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
  const firstWidth = 210
  const cellWidth = (width - firstWidth) / Math.max(1, head.length - 1)
  const rowOf = (cells: readonly string[], at: number, style: string): string =>
    cells
      .map((cell, column) =>
        svgText(cell, {
          x: column === 0 ? x + 44 : x + firstWidth + cellWidth * column - 8,
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
