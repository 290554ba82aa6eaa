import { z } from 'zod'

const errorBody = z.object({ error: z.object({ message: z.string() }) })
const detailBody = z.object({ detail: z.string() })
const bareBody = z.object({ error: z.string() })

/** Longest message kept of an engine: they end up in conditions and logs. */
const maxMessageLength = 500

/**
 * What vLLM says in an error body, for people: its wrapping by the executor and paths of its machine removed.
 * Shapes: `{"error": {"message"}}`, FastAPI's `{"detail"}`, the key check's `{"error": "Unauthorized"}`.
 */
export function engineMessage(status: number, body: string): string {
  const json = parseJson(body)
  const found =
    errorBody.safeParse(json).data?.error.message ??
    detailBody.safeParse(json).data?.detail ??
    bareBody.safeParse(json).data?.error
  return tidy(found ?? `HTTP ${status} without an error message`)
}

function tidy(message: string): string {
  const inner = /Worker failed with error '(.*)', please check the stack trace/s.exec(message)?.[1]
  const bare = (inner ?? message).replace(/^Call to add_lora method failed: /, '')
  // I14: vLLM hides the paths under some roots only.
  const pathless = bare.replace(/(?<![\w.])(?:\/[^\s/'",:;]+){2,}\/?/g, '<path>')
  return pathless.length > maxMessageLength ? `${pathless.slice(0, maxMessageLength)}…` : pathless
}

/** JSON, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
