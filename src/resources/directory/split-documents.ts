/** A piece of a YAML text that can be read on its own. */
export interface YamlChunk {
  readonly text: string
  /** Lines before it. */
  readonly firstLine: number
}

/**
 * Splits a text at its document markers. A line that begins with `---` is one wherever it stands, inside block and
 * quoted texts too (YAML 1.2, c-forbidden). Texts with directives or `...` are left whole, as those reach across.
 */
export function splitDocuments(text: string): readonly YamlChunk[] {
  if (/^(%|\.\.\.(?=\s|$))/m.test(text)) {
    return [{ text, firstLine: 0 }]
  }
  const chunks: YamlChunk[] = []
  let firstLine = 0
  for (const chunk of text.split(/^(?=---(?:[ \t\r\n]|$))/m)) {
    chunks.push({ text: chunk, firstLine })
    firstLine += countLines(chunk)
  }
  return chunks
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    lines += 1
  }
  return lines
}
