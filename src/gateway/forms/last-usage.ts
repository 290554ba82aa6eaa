import { endOfObject } from './end-of-object.ts'

/**
 * The JSON of the last usage object in a text; empty where there is none. What the caller's tools and schemas hold, which
 * some answers repeat, stands before it.
 */
export function lastUsage(text: string): string {
  const at = text.lastIndexOf(',"usage":{')
  return at === -1 ? '' : text.slice(at + 9, endOfObject(text, at + 9))
}
