import { invalid } from '../endpoints/invalid.ts'
import type { ObjectEntry } from './json-object.ts'

/**
 * How many entries a list or map may have. The engine walks some of these at every token, on a thread that all tenants
 * share, so their length is everybody's business. OpenAI allows 4 stops, 128 tools and 300 biases.
 */
const maxEntries: Readonly<Record<string, number>> = {
  stop: 16,
  stop_sequences: 16,
  stop_token_ids: 128,
  bad_words: 128,
  logit_bias: 1024,
  tools: 128,
}

/** Bytes of what the engine compiles into a grammar before the first token. */
const maxBytes: Readonly<Record<string, number>> = {
  response_format: 64 * 1024,
  structured_outputs: 64 * 1024,
  text: 64 * 1024,
  output_config: 64 * 1024,
  tools: 512 * 1024,
}

/** @throws LoraplexError invalid_request */
export function checkLimits(
  entries: readonly ObjectEntry[],
  value: Readonly<Record<string, unknown>>,
): void {
  for (const { key, keyStart, valueEnd } of entries) {
    const most = Object.hasOwn(maxEntries, key) ? (maxEntries[key] ?? 0) : undefined
    if (most !== undefined && sizeOf(value[key]) > most) {
      throw invalid(`The field '${key}' may hold at most ${most} entries.`, key)
    }
    const bytes = Object.hasOwn(maxBytes, key) ? (maxBytes[key] ?? 0) : undefined
    if (bytes !== undefined && valueEnd - keyStart > bytes) {
      throw invalid(`The field '${key}' may be at most ${bytes / 1024} KiB long.`, key)
    }
  }
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) {
    return value.length
  }
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}
