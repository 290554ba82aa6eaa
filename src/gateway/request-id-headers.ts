import type { Dialect } from './dialect.ts'

/** Under the name that each SDK shows to its user. */
export function requestIdHeaders(dialect: Dialect, id: string): Record<string, string> {
  return dialect === 'Anthropic' ? { 'x-request-id': id, 'request-id': id } : { 'x-request-id': id }
}
