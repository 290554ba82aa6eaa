import type { Answer } from './ask.ts'

/**
 * What two engines must agree on: status, kind of body, names and order of fields, words of errors, what is null.
 * What they need not: ids, times, the text that a model writes, the tokens it has, and how many of them.
 */
export interface Normalised {
  readonly status: number
  readonly contentType: string | undefined
  readonly body: unknown
}

const volatile: Readonly<Record<string, string>> = {
  created: '<time>',
  created_at: '<time>',
  completed_at: '<time>',
  content: '<text>',
  text: '<text>',
  delta: '<text>',
  arguments: '<text>',
  partial_json: '<text>',
  embedding: '<number>',
  score: '<number>',
  relevance_score: '<number>',
  token: '<token>',
  logprob: '<number>',
  rank: '<number>',
  prompt_tokens: '<count>',
  completion_tokens: '<count>',
  total_tokens: '<count>',
  cached_tokens: '<count>',
  cache_creation_input_tokens: '<count>',
  cache_read_input_tokens: '<count>',
  input_tokens: '<count>',
  original_input_tokens: '<count>',
  output_tokens: '<count>',
  count: '<count>',
  sequence_number: '<count>',
  tokens: '<token>',
  // The simulator says who it is in these two.
  owned_by: '<owner>',
  system_fingerprint: '<fingerprint>',
}

/** Arrays that hold one entry a token: all entries look alike, how many there are is the model's affair. */
const tokenArrays: ReadonlySet<string> = new Set([
  'bytes',
  'tokens',
  'token_logprobs',
  'text_offset',
  'content',
  'top_logprobs',
  'prompt_logprobs',
  'embedding',
])

export function normalise(answer: Pick<Answer, 'status' | 'headers' | 'body'>): Normalised {
  const contentType = answer.headers['content-type']
  return {
    status: answer.status,
    contentType: contentType === undefined ? undefined : String(contentType),
    body: String(contentType).startsWith('text/event-stream')
      ? normaliseStream(answer.body)
      : normaliseText(answer.body),
  }
}

/** Frames that look alike follow one another as one: vLLM puts several tokens into a frame when its reader is slow. */
function normaliseStream(body: string): readonly string[] {
  const kept: string[] = []
  for (const block of body.split('\n\n')) {
    const shape = block
      .split('\n')
      .map((line) =>
        line.startsWith('data: ') ? `data: ${render(normaliseText(line.slice(6)))}` : line,
      )
      .join('\n')
    if (shape !== kept.at(-1)) {
      kept.push(shape)
    }
  }
  return kept
}

function normaliseText(text: string): unknown {
  try {
    return normaliseValue(JSON.parse(text), '')
  } catch {
    return text
  }
}

function render(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Fields as a list of pairs, so that their order counts. */
function normaliseValue(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    const entries = value.map((entry) => normaliseValue(entry, key))
    return tokenArrays.has(key) ? distinct(entries) : entries
  }
  if (typeof value === 'object' && value !== null) {
    return isByToken(value, key) ? byToken(value) : normaliseFields(value)
  }
  if (value === null) {
    return null
  }
  if (key === 'message' && typeof value === 'string') {
    return normaliseMessage(value)
  }
  if (key in volatile && typeof value !== 'object') {
    return volatile[key]
  }
  if (['id', 'item_id', 'call_id'].includes(key) && typeof value === 'string') {
    return value.replace(/-?_?[0-9a-f]{16,}$/, '-<hex>')
  }
  return key === 'token_logprobs' || key === 'text_offset' || key === 'bytes' ? '<number>' : value
}

function normaliseFields(value: object): unknown {
  const fields: [string, unknown][] = Object.entries(value)
  return fields.map(([name, field]) => [name, normaliseValue(field, name)])
}

/** Completions' `top_logprobs` and `prompt_logprobs` have the model's tokens for field names. */
function isByToken(value: object, key: string): boolean {
  return (key === 'top_logprobs' && !('token' in value)) || key === 'prompt_logprobs'
}

function byToken(value: object): string {
  return Object.values(value).includes(null) ? '<null by token>' : '<by token>'
}

/** Python's own words for a JSON error, and counts of tokens. */
function normaliseMessage(message: string): string {
  return message
    .replace(/'input': '[^']*'/g, "'input': <input>")
    .replace(/at least \d+ input tokens/, 'at least <count> input tokens')
    .replace(/input_tokens, value=\d+/, 'input_tokens, value=<count>')
}

function distinct(entries: readonly unknown[]): readonly unknown[] {
  const seen = new Map(entries.map((entry) => [JSON.stringify(entry), entry]))
  return [...seen.values()]
}
