import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { readCanaryAnswer } from './canary-answer.ts'
import { readEmbeddingAnswer } from './embedding-answer.ts'
import { EngineError } from './engine-error.ts'
import { engineMessage, parseJson } from './engine-message.ts'
import { classifyLoad } from './load-error.ts'
import { MetricsReader } from './metrics.ts'
import type {
  CanaryOutcome,
  CanaryRequest,
  EngineAddress,
  EngineClient,
  EngineMetrics,
  EngineModel,
  LoadOutcome,
  UnloadOutcome,
} from './types.ts'

/** Absolute, from the first byte sent to the last one read. */
export interface EngineTimeouts {
  /** `/version`, `/v1/models`, `/metrics`: a load or a long prefill may hold the event loop for seconds. */
  readonly readMs: number
  /** A load reads a whole adapter from disk, and loads queue behind one another. */
  readonly loadMs: number
  /** The first logprobs of a process may compile kernels (measured: 20 s on a CPU), and slots may be taken. */
  readonly completeMs: number
}

export const defaultEngineTimeouts: EngineTimeouts = {
  readMs: 10_000,
  loadMs: 300_000,
  completeMs: 120_000,
}

/** Largest bodies read. A models list of 10,000 adapters has 5 MB; metrics grow with every combination of adapters seen. */
const maxBytes = { models: 32 << 20, metrics: 64 << 20, answer: 4 << 20 } as const

const modelsBody = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      root: z.string().nullish(),
      parent: z.string().nullish(),
      max_model_len: z.number().nullish(),
      owned_by: z.string().default(''),
    }),
  ),
})
const versionBody = z.object({ version: z.string() })

/** Speaks to one vLLM. Nothing is retried here: the caller knows whether it may. */
export function createEngineClient(
  address: EngineAddress,
  timeouts: EngineTimeouts = defaultEngineTimeouts,
): EngineClient {
  return new HttpEngineClient(address, timeouts)
}

class HttpEngineClient implements EngineClient {
  readonly address: EngineAddress
  readonly #timeouts: EngineTimeouts
  readonly #pool: Pool
  /** It has no completions: a pool of `task: Embed`, or such an endpoint. */
  #embeds = false

  constructor(address: EngineAddress, timeouts: EngineTimeouts) {
    this.address = address
    this.#timeouts = timeouts
    this.#pool = new Pool(address.url, {
      connections: 16,
      allowH2: false,
      // uvicorn closes idle connections after 5 s; a request sent into that would be reset.
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 4_000,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 5_000,
      maxHeaderSize: 64 << 10,
    })
  }

  async version(signal?: AbortSignal): Promise<string> {
    const { status, text } = await this.#get('/version', maxBytes.answer, signal)
    const body = versionBody.safeParse(parseJson(text)).data
    if (status !== 200 || body === undefined) {
      throw new EngineError('BadAnswer', `/version answered ${status} without a version.`, status)
    }
    return body.version
  }

  async models(signal?: AbortSignal): Promise<readonly EngineModel[]> {
    const { status, text } = await this.#get('/v1/models', maxBytes.models, signal)
    const body = modelsBody.safeParse(parseJson(text)).data
    if (status !== 200 || body === undefined) {
      const words = status === 200 ? 'no models list' : engineMessage(status, text)
      throw new EngineError('BadAnswer', `/v1/models answered ${status}: ${words}`, status)
    }
    return body.data.map((model) => ({
      id: model.id,
      root: model.root ?? undefined,
      parent: model.parent ?? undefined,
      maxModelLen: model.max_model_len ?? undefined,
      ownedBy: model.owned_by,
    }))
  }

  async metrics(signal?: AbortSignal): Promise<EngineMetrics> {
    const reader = new MetricsReader()
    const status = await this.#exchange(
      { method: 'GET', path: '/metrics' },
      { maxBytes: maxBytes.metrics, timeoutMs: this.#timeouts.readMs, signal },
      (chunk) => reader.push(chunk),
    )
    if (status !== 200) {
      throw new EngineError('BadAnswer', `/metrics answered ${status}.`, status)
    }
    return reader.finish()
  }

  async load(name: string, path: string, signal?: AbortSignal): Promise<LoadOutcome> {
    const body = { lora_name: name, lora_path: path }
    const { loadMs } = this.#timeouts
    try {
      const answer = await this.#post('/v1/load_lora_adapter', body, loadMs, signal)
      return classifyLoad(answer.status, answer.text)
    } catch (error) {
      signal?.throwIfAborted()
      if (isTimeout(error)) {
        // vLLM goes on loading: only /v1/models tells how it ended.
        return { outcome: 'Transient', reason: 'LoadTimeout', message: message(error) }
      }
      return { outcome: 'EngineGone', message: message(error) }
    }
  }

  async unload(name: string, signal?: AbortSignal): Promise<UnloadOutcome> {
    const body = { lora_name: name }
    const { readMs } = this.#timeouts
    try {
      const answer = await this.#post('/v1/unload_lora_adapter', body, readMs, signal)
      if (answer.status === 200) {
        return { outcome: 'Unloaded' }
      }
      const words = engineMessage(answer.status, answer.text)
      if (answer.status === 404 && words.includes('cannot be found')) {
        return { outcome: 'NotLoaded' }
      }
      return { outcome: 'EngineGone', message: `unload answered ${answer.status}: ${words}` }
    } catch (error) {
      signal?.throwIfAborted()
      return { outcome: 'EngineGone', message: message(error) }
    }
  }

  async complete(request: CanaryRequest, signal?: AbortSignal): Promise<CanaryOutcome> {
    const { completeMs } = this.#timeouts
    try {
      if (!this.#embeds) {
        const answer = await this.#post(
          '/v1/completions',
          completionOf(request),
          completeMs,
          signal,
        )
        this.#embeds = isNoRoute(answer)
        if (!this.#embeds) {
          return readCanaryAnswer(answer.status, answer.text)
        }
      }
      const answer = await this.#post('/v1/embeddings', embeddingOf(request), completeMs, signal)
      // Neither: whatever answered there, it was no engine that tells what it is.
      this.#embeds = !isNoRoute(answer)
      return readEmbeddingAnswer(answer.status, answer.text)
    } catch (error) {
      signal?.throwIfAborted()
      return isTimeout(error)
        ? { outcome: 'Failed', status: 0, message: message(error) }
        : { outcome: 'EngineGone', message: message(error) }
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  #get(path: string, limit: number, signal: AbortSignal | undefined): Promise<Answer> {
    const { readMs } = this.#timeouts
    return this.#read({ method: 'GET', path }, { maxBytes: limit, timeoutMs: readMs, signal })
  }

  #post(
    path: string,
    body: object,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const request = { method: 'POST', path, body: JSON.stringify(body) } as const
    return this.#read(request, { maxBytes: maxBytes.answer, timeoutMs, signal })
  }

  async #read(request: Request, limits: Limits): Promise<Answer> {
    const chunks: string[] = []
    const status = await this.#exchange(request, limits, (chunk) => chunks.push(chunk))
    return { status, text: chunks.join('') }
  }

  /** One request; answers the status once the whole body went to `onText`. */
  async #exchange(
    request: Request,
    limits: Limits,
    onText: (chunk: string) => void,
  ): Promise<number> {
    const timeout = AbortSignal.timeout(limits.timeoutMs)
    const signal = limits.signal === undefined ? timeout : AbortSignal.any([limits.signal, timeout])
    try {
      const answer = await this.#pool.request({
        ...request,
        headers: this.#headers(request),
        signal,
      })
      await drain(answer.body, limits.maxBytes, onText)
      return answer.statusCode
    } catch (error) {
      limits.signal?.throwIfAborted()
      throw explain(error, request, timeout.aborted ? limits.timeoutMs : undefined)
    }
  }

  #headers(request: Request): Record<string, string> {
    const { apiKey } = this.address
    return {
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(request.method === 'POST' ? { 'content-type': 'application/json' } : {}),
    }
  }
}

interface Request {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}

interface Limits {
  readonly maxBytes: number
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** Raised for an absolute timeout, so that callers tell a slow engine from one that is gone. */
class EngineTimeoutError extends EngineError {}

async function drain(
  body: Dispatcher.ResponseData['body'],
  limit: number,
  onText: (chunk: string) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  let size = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > limit) {
      // Leaving the loop destroys the body and with it the connection: the rest is never read.
      throw new EngineError('BadAnswer', `The engine's answer is larger than ${limit} bytes.`)
    }
    onText(decoder.decode(chunk, { stream: true }))
  }
  onText(decoder.decode())
}

function explain(error: unknown, request: Request, timedOutAfterMs: number | undefined): unknown {
  if (error instanceof EngineError) {
    return error
  }
  const what = `${request.method} ${request.path}`
  if (timedOutAfterMs !== undefined) {
    return new EngineTimeoutError(
      'Unreachable',
      `${what}: no answer in ${timedOutAfterMs} ms.`,
      0,
      error,
    )
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
  return new EngineError('Unreachable', `${what}: the connection failed (${code}).`, 0, error)
}

function completionOf(request: CanaryRequest): object {
  return {
    model: request.model,
    prompt: request.prompt,
    max_tokens: request.tokens,
    temperature: 0,
    logprobs: request.logprobs,
    cache_salt: request.cacheSalt,
    // Every model gives the same number of positions, and different tokens never share a key.
    ignore_eos: true,
    return_tokens_as_token_ids: true,
  }
}

function embeddingOf({ model, prompt, cacheSalt }: CanaryRequest): object {
  return { model, input: prompt, cache_salt: cacheSalt }
}

/** FastAPI's own 404; an unknown model is one in vLLM's shape. */
function isNoRoute({ status, text }: Answer): boolean {
  return status === 404 && text === '{"detail":"Not Found"}'
}

function isTimeout(error: unknown): boolean {
  return error instanceof EngineTimeoutError
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
