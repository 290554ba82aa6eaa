/**
 * The name of a counter from its parts, the window's id last: `acme|tokens|minute|29384756`. Parts may come from callers,
 * so two different lists never give the same key.
 */
export function counterKey(...parts: readonly string[]): string {
  return (parts.some(hasMark) ? parts.map(escaped) : parts).join('|')
}

/** Rare, and much cheaper to rule out than to replace. */
function hasMark(part: string): boolean {
  return part.includes('|') || part.includes('%')
}

function escaped(part: string): string {
  return part.replaceAll(/[%|]/g, encodeURIComponent)
}
