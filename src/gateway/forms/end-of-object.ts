/** From an opening brace to just after its closing one. Usage holds numbers and objects, no strings with braces. */
export function endOfObject(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x7b) {
      depth += 1
    } else if (code === 0x7d) {
      depth -= 1
      if (depth === 0) {
        return at + 1
      }
    }
  }
  return text.length
}
