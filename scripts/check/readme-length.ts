import type { SourceCheck } from './source-file.ts'

const maxLines = 200

/** One page that somebody reads to its end; the rest is in docs. */
export const readmeLength: SourceCheck = (files) =>
  files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length
    return path === 'README.md' && lines > maxLines
      ? [`${path} has ${lines} lines; at most ${maxLines}`]
      : []
  })
