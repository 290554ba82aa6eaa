/**
 * What the bench upstream says, byte for byte as vLLM 0.32 shapes it. Everything that can be built once is built once:
 * the upstream shares its core with the load generator and must stay cheaper than what is measured.
 */

/** Text of one stream chunk: makes a frame of 230–280 bytes, as one token of vLLM does. */
const word = ' benchmark'
const paragraph = 'The quick brown fox jumps over the lazy dog, "again" and again.\n'
const created = 1_763_680_000
const promptTokens = 256

export interface StreamShape {
  /** The request's `model`, echoed. */
  readonly model: string
  /** Content frames; the first carries the role frame in front, the last the finish reason, usage and [DONE]. */
  readonly chunks: number
  /** `stream_options.include_usage`: one frame with usage and no choices before [DONE]. */
  readonly includeUsage: boolean
  /** `stream_options.continuous_usage_stats`: usage on every frame. */
  readonly continuousUsage: boolean
  /** Log probabilities on every frame, which make it 16 kB long. */
  readonly isLong: boolean
}

function usage(completionTokens: number): string {
  return `{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens + completionTokens},"completion_tokens":${completionTokens}}`
}

/** A whole `chat.completion` of about 1.3 kB. */
export function chatAnswer(model: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-5f0c2a7c9d1e4b86a3d0f1e2c3b4a596',
      object: 'chat.completion',
      created,
      model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: paragraph.repeat(12),
            refusal: null,
            annotations: null,
            audio: null,
            function_call: null,
            tool_calls: [],
            reasoning: null,
          },
          logprobs: null,
          finish_reason: 'stop',
          stop_reason: null,
          token_ids: null,
        },
      ],
      service_tier: null,
      system_fingerprint: null,
      usage: {
        prompt_tokens: promptTokens,
        total_tokens: promptTokens + 192,
        completion_tokens: 192,
        prompt_tokens_details: null,
      },
      prompt_logprobs: null,
      prompt_token_ids: null,
      kv_transfer_params: null,
    }),
  )
}

/** The writes of one stream, in order, already in HTTP's chunked framing, the terminating `0` included. */
export class StreamFrames {
  readonly #shape: StreamShape
  readonly #head: string
  readonly #plain: Buffer

  constructor(shape: StreamShape) {
    this.#shape = shape
    this.#head = `data: {"id":"chatcmpl-5f0c2a7c9d1e4b86a3d0f1e2c3b4a596","object":"chat.completion.chunk","created":${created},"model":${JSON.stringify(shape.model)},"choices":[`
    this.#plain = httpChunk(this.#content(0, false))
  }

  get chunks(): number {
    return this.#shape.chunks
  }

  /** The bytes of chunk `index` (0-based). */
  write(index: number): Buffer {
    const isFirst = index === 0
    const isLast = index === this.#shape.chunks - 1
    if (!isFirst && !isLast) {
      return this.#shape.continuousUsage ? httpChunk(this.#content(index + 1, false)) : this.#plain
    }
    const parts: Buffer[] = []
    if (isFirst) {
      parts.push(httpChunk(this.#role()))
    }
    parts.push(httpChunk(this.#content(index + 1, isLast)))
    if (isLast) {
      if (this.#shape.includeUsage) {
        parts.push(httpChunk(`${this.#head}],"usage":${usage(this.#shape.chunks)}}\n\n`))
      }
      parts.push(httpChunk('data: [DONE]\n\n'), streamEnd)
    }
    return Buffer.concat(parts)
  }

  /** All chunks at once. */
  all(): Buffer {
    return Buffer.concat(
      Array.from({ length: this.#shape.chunks }, (_, index) => this.write(index)),
    )
  }

  #role(): string {
    return `${this.#head}{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]${this.#usage(0)},"prompt_token_ids":null}\n\n`
  }

  #content(tokens: number, isLast: boolean): string {
    const finish = isLast ? '"length","stop_reason":null' : 'null'
    const logprobs = this.#shape.isLong ? longLogprobs : 'null'
    return `${this.#head}{"index":0,"delta":{"content":"${word}"},"logprobs":${logprobs},"finish_reason":${finish},"token_ids":null}]${this.#usage(tokens)}}\n\n`
  }

  #usage(tokens: number): string {
    return this.#shape.continuousUsage ? `,"usage":${usage(tokens)}` : ''
  }
}

const longLogprobs = JSON.stringify({
  content: Array.from({ length: 230 }, (_, rank) => ({
    token: word,
    logprob: -rank,
    bytes: null,
    top_logprobs: [],
  })),
})

const streamEnd = Buffer.from('0\r\n\r\n')

function httpChunk(text: string): Buffer {
  // All of it is ASCII, so characters are bytes.
  return Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`, 'latin1')
}

/**
 * A `text_completion` with `top` log probabilities a position: a pure function of model, prompt and position, so that two
 * models differ clearly and one model never differs from itself, as a canary expects.
 */
export function completionAnswer(
  model: string,
  prompt: string,
  tokens: number,
  top: number | undefined,
): Buffer {
  const positions = Array.from({ length: tokens }, (_, position) =>
    distribution(model, prompt, position, Math.max(1, top ?? 1)),
  )
  const text = positions.map(([best]) => best?.token ?? '').join('')
  const logprobs = {
    text_offset: positions.map((_, position) => position),
    token_logprobs: positions.map(([best]) => best?.logprob ?? 0),
    tokens: positions.map(([best]) => best?.token ?? ''),
    top_logprobs: positions.map((entries) =>
      Object.fromEntries(entries.map(({ token, logprob }) => [token, logprob])),
    ),
  }
  return Buffer.from(
    JSON.stringify({
      id: 'cmpl-5f0c2a7c9d1e4b86a3d0f1e2c3b4a596',
      object: 'text_completion',
      created,
      model,
      choices: [
        {
          index: 0,
          text,
          logprobs: top === undefined ? null : logprobs,
          finish_reason: 'length',
          stop_reason: null,
          token_ids: null,
          prompt_logprobs: null,
          prompt_token_ids: null,
        },
      ],
      service_tier: null,
      system_fingerprint: null,
      usage: {
        prompt_tokens: prompt.length,
        total_tokens: prompt.length + tokens,
        completion_tokens: tokens,
        prompt_tokens_details: null,
      },
      kv_transfer_params: null,
    }),
  )
}

function distribution(model: string, prompt: string, position: number, top: number) {
  const seed = hash(`${model}\0${prompt}\0${position}`)
  return Array.from({ length: top }, (_, rank) => ({
    token: String.fromCharCode(97 + ((seed + rank) % 26)),
    logprob: -(0.1 + rank * 0.8 + (seed % 1000) / 2000),
  }))
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return value
}
