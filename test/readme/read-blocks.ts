/** A fenced block of a page. */
export interface Block {
  /** The fence's first word: sh, js, python, text… */
  readonly language: string
  /** Why it is not run here: the words after `no-test:`. */
  readonly leftOut: string | undefined
  /** Without the fences. */
  readonly text: string
  /** Of its first line, from 1. */
  readonly line: number
}

/** All fenced blocks of a Markdown page, in order. A block is left out only by a mark with a reason. */
export function readBlocks(page: string): readonly Block[] {
  const blocks: Block[] = []
  let open:
    | { language: string; leftOut: string | undefined; line: number; lines: string[] }
    | undefined
  for (const [index, line] of page.split('\n').entries()) {
    const fence = /^```(\w*)(?:\s+no-test:\s*(.*\S))?\s*$/.exec(line)
    if (fence === null) {
      open?.lines.push(line)
    } else if (open === undefined) {
      open = { language: fence[1] ?? '', leftOut: fence[2], line: index + 2, lines: [] }
    } else {
      const { lines, ...rest } = open
      blocks.push({ ...rest, text: lines.join('\n') })
      open = undefined
    }
  }
  return blocks
}
