import type { Generation } from '../generation.ts'
import { tokenText } from '../logprobs.ts'
import {
  usageCounts,
  usageOf,
  type AnswerFrame,
  type AnswerShape,
  type ChunkPart,
  type Finish,
} from './shape.ts'
import { streamErrorFrame } from './wire.ts'

/** `/v1/completions`. Field order is vLLM's. */
export class CompletionShape implements AnswerShape {
  readonly #frame: AnswerFrame
  readonly #choices: number
  readonly #echo: boolean
  readonly #head: string

  constructor(frame: AnswerFrame, choices: number, echo: boolean) {
    this.#frame = frame
    this.#choices = choices
    this.#echo = echo
    this.#head = `data: {"id":"${frame.id}","object":"text_completion","created":${frame.created},"model":${JSON.stringify(frame.model)},"choices":[`
  }

  opening(): string {
    return ''
  }

  chunk({ generation, index, position, delta, finish }: ChunkPart): string {
    const { continuousUsage, includeUsage, fingerprint } = this.#frame
    const text = position === 0 ? this.#echoed(generation) + delta : delta
    const logprobs = textLogprobs(generation, position, position + 1)
    const end = `"finish_reason":${JSON.stringify(finish ?? null)},"stop_reason":${JSON.stringify(finish === undefined ? null : generation.stopReason)}`
    const usage = continuousUsage
      ? `,"usage":{${usageCounts({ prompt: generation.promptTokens, completion: position + 1 })}}`
      : ''
    const stamp =
      finish !== undefined && !includeUsage && fingerprint !== null
        ? `,"system_fingerprint":"${fingerprint}"`
        : ''
    return `${this.#head}{"index":${index},"text":${JSON.stringify(text)},"logprobs":${logprobs},${end},"prompt_token_ids":null,"token_ids":null}]${usage}${stamp}}\n\n`
  }

  closing(generations: readonly Generation[]): string {
    const { includeUsage, promptTokensDetails, fingerprint } = this.#frame
    if (!includeUsage) {
      return 'data: [DONE]\n\n'
    }
    const usage = usageOf(generations, this.#choices)
    const details = promptTokensDetails
      ? `,"prompt_tokens_details":{"cached_tokens":${usage.cached}}`
      : ''
    const stamp = fingerprint === null ? '' : `,"system_fingerprint":"${fingerprint}"`
    return `${this.#head}],"usage":{${usageCounts(usage)}${details}}${stamp}}\n\ndata: [DONE]\n\n`
  }

  whole(generations: readonly Generation[], finishes: readonly Finish[]): string {
    const { id, created, model, promptTokensDetails, fingerprint } = this.#frame
    const choices = generations.map((generation, index) => {
      const text = JSON.stringify(this.#echoed(generation) + generation.text)
      const logprobs = textLogprobs(generation, 0, generation.generated)
      return `{"index":${index},"text":${text},"logprobs":${logprobs},"finish_reason":"${finishes[index] ?? 'stop'}","stop_reason":${JSON.stringify(generation.stopReason)},"token_ids":null,"prompt_logprobs":null,"prompt_token_ids":null,"routed_experts":null}`
    })
    const usage = usageOf(generations, this.#choices)
    const details = promptTokensDetails
      ? `{"cached_tokens":${usage.cached},"created_cache_tokens":null,"multimodal_tokens":null}`
      : 'null'
    return (
      `{"id":"${id}","object":"text_completion","created":${created},"model":${JSON.stringify(model)},"choices":[${choices.join(',')}],` +
      `"service_tier":null,"system_fingerprint":${JSON.stringify(fingerprint)},"usage":{${usageCounts(usage)},"prompt_tokens_details":${details},"completion_tokens_details":null},` +
      '"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}'
    )
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

  #echoed(generation: Generation): string {
    return this.#echo ? generation.spec.prompt : ''
  }
}

function textLogprobs(generation: Generation, from: number, to: number): string {
  const count = generation.spec.logprobs
  if (count === undefined) {
    return 'null'
  }
  const offsets: number[] = []
  const tokens: string[] = []
  const values: number[] = []
  const tops: string[] = []
  let offset = 0
  for (let position = 0; position < from; position++) {
    offset += tokenText(generation.token(position)).length
  }
  for (let position = from; position < to; position++) {
    const top = generation.logprobs(position)
    offsets.push(offset)
    tokens.push(top[0]?.token ?? '')
    values.push(top[0]?.logprob ?? 0)
    const entries = top.map(
      ({ token, logprob }) => `${JSON.stringify(token)}:${JSON.stringify(logprob)}`,
    )
    tops.push(`{${entries.join(',')}}`)
    offset += top[0]?.token.length ?? 0
  }
  return `{"text_offset":${JSON.stringify(offsets)},"token_logprobs":${JSON.stringify(values)},"tokens":${JSON.stringify(tokens)},"top_logprobs":[${tops.join(',')}]}`
}
