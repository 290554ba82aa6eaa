import type { SourceCheck } from './source-file.ts'

const maxLines = 60

/** `docs/adr/NNNN-title.md`: numbered without a gap or a double, short, each with the same four parts. */
export const decisionRecords: SourceCheck = (files) => {
  const records = files
    .filter(({ path }) => path.startsWith('docs/adr/'))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return records.flatMap(({ path, text }, index) => {
    const number = String(index + 1).padStart(4, '0')
    const missing = ['## Context', '## Choice', '## Turned down', '## How to undo it'].filter(
      (heading) => !text.includes(`\n${heading}\n`),
    )
    return [
      ...(path.startsWith(`docs/adr/${number}-`)
        ? []
        : [`${path}: the number should be ${number}`]),
      ...missing.map((heading) => `${path}: has no "${heading}"`),
      ...(text.trimEnd().split('\n').length > maxLines
        ? [`${path}: more than ${maxLines} lines`]
        : []),
    ]
  })
}
