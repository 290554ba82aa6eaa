/**
 * The bench upstream, a process of its own: answers like vLLM 0.32 as far as a gateway in front of it can tell, and
 * computes nothing. `node bench/upstream.ts [--port N]` prints `{"port":N}` once it listens.
 */
import type { AddressInfo, Socket } from 'node:net'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { chatAnswer, completionAnswer, StreamFrames } from './upstream/answers.ts'
import { createHttpServer, wholeAnswer, type Exchange } from './upstream/http-server.ts'
import { Pacer } from './upstream/pacer.ts'

/** The base's own name; the bench calls it where no adapter is involved. */
export const upstreamModel = 'bench-base'
/** Large enough for 300 KB prompts, whatever a gateway believes a token to be. */
const maxModelLen = 1_048_576

interface RequestBody {
  readonly model?: string
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
  readonly prompt?: string
  readonly logprobs?: number | boolean
  readonly top_logprobs?: number
  readonly stream_options?: {
    readonly include_usage?: boolean
    readonly continuous_usage_stats?: boolean
  }
  readonly lora_name?: string
  readonly lora_path?: string
  readonly tickMs?: number
}

const startedSeconds = Date.now() / 1000
const adapters = new Map<string, string>()
const chatAnswers = new Map<string, Buffer>()
const pacer = new Pacer()
/** Sockets with an answer under way. */
const running = new Set<Socket>()
const counts = { requests: 0, aborted: 0 }

function json(value: unknown, status = 200): Buffer {
  return wholeAnswer(status, 'application/json', Buffer.from(JSON.stringify(value)))
}

function plain(text: string): Buffer {
  return wholeAnswer(200, 'text/plain; charset=utf-8', Buffer.from(text))
}

function refusal(status: number, type: string, message: string): Buffer {
  return json({ error: { message, type, param: null, code: status } }, status)
}

function startStream({ socket, end }: Exchange, model: string, body: RequestBody): void {
  const frames = new StreamFrames({
    model,
    chunks: Math.max(1, body.max_completion_tokens ?? body.max_tokens ?? 16),
    includeUsage: body.stream_options?.include_usage ?? false,
    continuousUsage: body.stream_options?.continuous_usage_stats ?? false,
    isLong: (body.top_logprobs ?? 0) > 0,
  })
  running.add(socket)
  pacer.add(socket, frames, () => {
    running.delete(socket)
    end()
  })
}

function chatAnswerOf(model: string): Buffer {
  let answer = chatAnswers.get(model)
  if (answer === undefined) {
    answer = wholeAnswer(200, 'application/json', chatAnswer(model))
    chatAnswers.set(model, answer)
  }
  return answer
}

/** Undefined when the answer is a stream, which is under way then. */
function infer(exchange: Exchange, body: RequestBody): Buffer | undefined {
  const model = body.model ?? upstreamModel
  if (model !== upstreamModel && !adapters.has(model)) {
    return refusal(404, 'NotFoundError', `The model \`${model}\` does not exist.`)
  }
  counts.requests++
  if (body.stream === true) {
    startStream(exchange, model, body)
    return undefined
  }
  if (exchange.path === '/v1/chat/completions') {
    return chatAnswerOf(model)
  }
  const tokens = Math.max(1, body.max_tokens ?? 16)
  const top = typeof body.logprobs === 'number' ? body.logprobs : undefined
  const answer = completionAnswer(model, body.prompt ?? '', tokens, top)
  return wholeAnswer(200, 'application/json', answer)
}

function loadAdapter(_exchange: Exchange, body: RequestBody): Buffer {
  const { lora_name: name = '', lora_path: path = '' } = body
  if (name === '' || path === '') {
    const message = "Both 'lora_name' and 'lora_path' must be provided."
    return refusal(400, 'InvalidUserInput', message)
  }
  if (adapters.has(name)) {
    const message = `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`
    return refusal(400, 'InvalidUserInput', message)
  }
  adapters.set(name, path)
  return plain(`Success: LoRA adapter '${name}' added successfully.`)
}

function unloadAdapter(_exchange: Exchange, body: RequestBody): Buffer {
  const { lora_name: name = '' } = body
  return adapters.delete(name)
    ? plain(`Success: LoRA adapter '${name}' removed successfully.`)
    : refusal(404, 'NotFoundError', `The lora adapter '${name}' cannot be found.`)
}

function models(): Buffer {
  const created = Math.floor(Date.now() / 1000)
  const card = { object: 'model', created, owned_by: 'vllm', permission: [] }
  const base = {
    ...card,
    id: upstreamModel,
    root: upstreamModel,
    parent: null,
    max_model_len: maxModelLen,
  }
  const loras = Array.from(adapters, ([id, root]) => ({
    ...card,
    id,
    root,
    parent: upstreamModel,
    max_model_len: null,
  }))
  return json({ object: 'list', data: [base, ...loras] })
}

function metrics(): Buffer {
  const labels = `engine="0",model_name="${upstreamModel}"`
  const lines = [
    '# TYPE process_start_time_seconds gauge',
    `process_start_time_seconds ${startedSeconds}`,
    '# TYPE vllm:num_requests_running gauge',
    `vllm:num_requests_running{${labels}} ${running.size}.0`,
    '# TYPE vllm:num_requests_waiting gauge',
    `vllm:num_requests_waiting{${labels}} 0.0`,
    '# TYPE vllm:num_requests_waiting_by_reason gauge',
    `vllm:num_requests_waiting_by_reason{${labels},reason="capacity"} 0.0`,
    `vllm:num_requests_waiting_by_reason{${labels},reason="deferred"} 0.0`,
    '# TYPE vllm:kv_cache_usage_perc gauge',
    `vllm:kv_cache_usage_perc{${labels}} 0.0`,
    '# TYPE vllm:cache_config_info gauge',
    'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="1048576"} 1.0',
    '# TYPE vllm:prompt_tokens_total counter',
    `vllm:prompt_tokens_total{${labels}} ${counts.requests * 256}.0`,
    '# TYPE vllm:generation_tokens_total counter',
    `vllm:generation_tokens_total{${labels}} ${counts.requests * 192}.0`,
    '',
  ]
  return plain(lines.join('\n'))
}

const posts: Record<string, (exchange: Exchange, body: RequestBody) => Buffer | undefined> = {
  '/v1/chat/completions': infer,
  '/v1/completions': infer,
  '/v1/load_lora_adapter': loadAdapter,
  '/v1/unload_lora_adapter': unloadAdapter,
  '/tokenize': () => json({ count: 1, max_model_len: maxModelLen, tokens: [1] }),
  '/bench/settings': (_exchange, body) => {
    pacer.setTickMs(body.tickMs ?? 0)
    return json({ tickMs: pacer.tickMs })
  },
}

const gets: Record<string, () => Buffer> = {
  '/health': () => wholeAnswer(200, 'application/json', Buffer.alloc(0)),
  '/version': () => json({ version: '0.32.0' }),
  '/v1/models': models,
  '/metrics': metrics,
  '/bench/counts': () => json({ ...counts, running: running.size }),
}

function answerTo(exchange: Exchange): Buffer | undefined {
  const [path = ''] = exchange.path.split('?')
  if (exchange.method === 'GET') {
    return gets[path]?.() ?? json({ detail: 'Not Found' }, 404)
  }
  const answer = posts[path]
  if (answer === undefined) {
    return json({ detail: 'Not Found' }, 404)
  }
  let body: RequestBody
  try {
    body = JSON.parse(exchange.body.toString()) as RequestBody
  } catch {
    return refusal(400, 'Bad Request', 'not a JSON object')
  }
  return answer(exchange, body)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
  const sockets = new Set<Socket>()
  const server = createHttpServer((exchange) => {
    const answer = answerTo(exchange)
    if (answer !== undefined) {
      exchange.socket.write(answer)
      exchange.end()
    }
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      pacer.remove(socket)
      counts.aborted += Number(running.delete(socket))
    })
  })
  server.listen({ host: '127.0.0.1', port: Number(values.port), backlog: 4096 }, () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`${JSON.stringify({ port })}\n`)
  })
  process.once('SIGTERM', () => {
    pacer.close()
    server.close()
    for (const socket of sockets) {
      socket.destroy()
    }
  })
}
