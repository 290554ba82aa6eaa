import { labTable } from '../lab-table.ts'
import type { LabRecord } from '../lab-record.ts'
import type { PanelPlace } from './line-panel.ts'
import { svgElement, svgText } from './svg-element.ts'

const rowHeight = 22

export function summaryHeight(records: readonly LabRecord[]): number {
  return (records.length + 1) * rowHeight
}

/** The table of figures; the samples of lines in it are the legend of all charts. */
export function summaryPanel(
  records: readonly LabRecord[],
  styleOf: (policy: string) => string,
  { x, y, width }: PanelPlace,
): string {
  const [head = [], ...rows] = labTable(records)
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
      class: `line ${styleOf(records[at]?.outcome.policy ?? '')}`,
      d: `M${x + 10} ${top + rowHeight / 2}h24`,
    })
    return stripe + sample + rowOf(cells, at + 1, 'cell')
  })
  return rowOf(head, 0, 'column') + lines.join('')
}
