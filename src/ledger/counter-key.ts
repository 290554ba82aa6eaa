/**
 * The name of a counter from its parts, the window's id last: `acme|tokens|minute|29384756`. Parts may come from callers,
 * so two different lists never give the same key.
 */
export function counterKey(...parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(/[%|]/g, encodeURIComponent)).join('|')
}
