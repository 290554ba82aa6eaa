import type { Generation } from '../generation.ts'
import type { TokenLogprob } from '../logprobs.ts'
import {
  usageCounts,
  usageOf,
  type AnswerFrame,
  type AnswerShape,
  type ChunkPart,
  type Finish,
} from './shape.ts'
import { toolArguments, type ToolCall } from './tool-call.ts'
import { streamErrorFrame } from './wire.ts'

/** `/v1/chat/completions`. Field order is vLLM's: what stands in front may splice bytes. */
export class ChatShape implements AnswerShape {
  readonly #frame: AnswerFrame
  readonly #choices: number
  readonly #head: string
  readonly #tool: ToolCall | undefined

  constructor(frame: AnswerFrame, choices: number, tool?: ToolCall) {
    this.#tool = tool
    this.#frame = frame
    this.#choices = choices
    this.#head = `data: {"id":"${frame.id}","object":"chat.completion.chunk","created":${frame.created},"model":${JSON.stringify(frame.model)},"choices":[`
  }

  opening(generations: readonly Generation[]): string {
    const { continuousUsage } = this.#frame
    return generations
      .map((generation, index) => {
        const usage = continuousUsage ? this.#usage(generation.promptTokens, 0) : ''
        return `${this.#head}{"index":${index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]${usage},"prompt_token_ids":null,"prompt_text":null}\n\n`
      })
      .join('')
  }

  chunk({ generation, index, position, delta, finish }: ChunkPart): string {
    const { continuousUsage, includeUsage, fingerprint } = this.#frame
    const logprobs = chatLogprobs(generation, position, position + 1)
    const usage = continuousUsage ? this.#usage(generation.promptTokens, position + 1) : ''
    const stamp =
      finish !== undefined && !includeUsage && fingerprint !== null
        ? `,"system_fingerprint":"${fingerprint}"`
        : ''
    const chunkWith = (words: string, end: Finish | undefined): string => {
      const reason =
        end === undefined
          ? 'null'
          : `"${this.#finish(end)}","stop_reason":${JSON.stringify(generation.stopReason)}`
      return `${this.#head}{"index":${index},"delta":{${words}},"logprobs":${logprobs},"finish_reason":${reason},"token_ids":null}]${usage}${end === undefined ? '' : stamp}}\n\n`
    }
    if (this.#tool === undefined) {
      return chunkWith(`"content":${JSON.stringify(delta)}`, finish)
    }
    const { id, name } = this.#tool
    const calls = (call: string): string => `"content":null,"tool_calls":[${call}]`
    const call =
      position > 0
        ? ''
        : chunkWith(
            calls(
              `{"id":"${id}","type":"function","index":0,"function":{"name":${JSON.stringify(name)}}}`,
            ),
            undefined,
          ) +
          chunkWith(
            calls(`{"index":0,"function":{"arguments":${JSON.stringify(toolArguments)}}}`),
            undefined,
          )
    return call + (finish === undefined ? '' : chunkWith('', finish))
  }

  #finish(finish: Finish): string {
    return finish === 'stop' && this.#tool?.isNamed === false ? 'tool_calls' : finish
  }

  closing(generations: readonly Generation[]): string {
    const { includeUsage, promptTokensDetails, fingerprint } = this.#frame
    if (!includeUsage) {
      return 'data: [DONE]\n\n'
    }
    const usage = usageOf(generations, this.#choices)
    const details = promptTokensDetails
      ? `,"prompt_tokens_details":{"cached_tokens":${usage.cached},"created_cache_tokens":0}`
      : ''
    const stamp = fingerprint === null ? '' : `,"system_fingerprint":"${fingerprint}"`
    return `${this.#head}],"usage":{${usageCounts(usage)}${details}}${stamp}}\n\ndata: [DONE]\n\n`
  }

  whole(generations: readonly Generation[], finishes: readonly Finish[]): string {
    const { id, created, model, promptTokensDetails, fingerprint } = this.#frame
    const choices = generations.map((generation, index) => {
      const message = `{"role":"assistant","content":${JSON.stringify(this.#tool === undefined ? generation.text : '')},"refusal":null,"annotations":null,"audio":null,"function_call":null,${this.#calls()}"reasoning":null}`
      const logprobs = chatLogprobs(generation, 0, generation.generated)
      return `{"index":${index},"message":${message},"logprobs":${logprobs},"finish_reason":"${this.#finish(finishes[index] ?? 'stop')}","stop_reason":${JSON.stringify(generation.stopReason)},"token_ids":null,"routed_experts":null}`
    })
    const usage = usageOf(generations, this.#choices)
    const details = promptTokensDetails
      ? `{"cached_tokens":${usage.cached},"created_cache_tokens":0,"multimodal_tokens":null}`
      : 'null'
    return (
      `{"id":"${id}","object":"chat.completion","created":${created},"model":${JSON.stringify(model)},"choices":[${choices.join(',')}],` +
      `"service_tier":null,"system_fingerprint":${JSON.stringify(fingerprint)},"usage":{${usageCounts(usage)},"prompt_tokens_details":${details},"completion_tokens_details":null},` +
      '"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}'
    )
  }

  #calls(): string {
    return this.#tool === undefined
      ? ''
      : `"tool_calls":[{"id":"${this.#tool.id}","type":"function","function":{"name":${JSON.stringify(this.#tool.name)},"arguments":${JSON.stringify(toolArguments)}}}],`
  }

  broken(message: string): string {
    const error = streamErrorFrame({
      status: 500,
      type: 'InternalServerError',
      message,
      param: null,
    })
    return `${error}data: [DONE]\n\n`
  }

  #usage(prompt: number, completion: number): string {
    return `,"usage":{${usageCounts({ prompt, completion })},"completion_tokens_details":null}`
  }
}

function chatLogprobs(generation: Generation, from: number, to: number): string {
  if (generation.spec.logprobs === undefined) {
    return 'null'
  }
  const content: string[] = []
  for (let position = from; position < to; position++) {
    const top = generation.logprobs(position).map(tokenEntry)
    const wanted = generation.spec.logprobs === 0 ? [] : top
    content.push(
      `{${top[0] ?? ''},"top_logprobs":[${wanted.map((entry) => `{${entry}}`).join(',')}]}`,
    )
  }
  return `{"content":[${content.join(',')}]}`
}

function tokenEntry({ token, logprob }: TokenLogprob): string {
  const bytes = JSON.stringify([...Buffer.from(token)])
  return `"token":${JSON.stringify(token)},"logprob":${JSON.stringify(logprob)},"bytes":${bytes}`
}
