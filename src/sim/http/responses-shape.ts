import type { Generation } from '../generation.ts'
import {
  usageOf,
  type AnswerFrame,
  type AnswerShape,
  type ChunkPart,
  type Finish,
} from './shape.ts'
import { toolArguments, type ToolCall } from './tool-call.ts'

export interface ResponsesEcho {
  readonly temperature: number
  readonly topP: number
  readonly maxOutputTokens: number
  readonly instructions: string | null
  readonly tools: readonly object[]
  readonly toolChoice: unknown
}

/** `/v1/responses` as vLLM 0.32 writes it. */
export class ResponsesShape implements AnswerShape {
  readonly #frame: AnswerFrame
  readonly #echo: ResponsesEcho
  readonly #itemId: string
  readonly #tool: ToolCall | undefined
  #sequence = 0

  constructor(frame: AnswerFrame, itemId: string, echo: ResponsesEcho, tool?: ToolCall) {
    this.#frame = frame
    this.#tool = tool
    this.#itemId = tool === undefined ? `msg_${itemId}` : `fc_${itemId}`
    this.#echo = echo
  }

  opening(): string {
    const begun = this.#response('in_progress', '', 'null', 'null')
    return (
      this.#event('response.created', `"response":${begun}`) +
      this.#event('response.in_progress', `"response":${begun}`) +
      this.#event(
        'response.output_item.added',
        `"item":${this.#item('in_progress', '')},"output_index":0`,
      ) +
      this.#beginPart()
    )
  }

  #beginPart(): string {
    return this.#tool === undefined
      ? this.#event(
          'response.content_part.added',
          `"content_index":0,"item_id":"${this.#itemId}","output_index":0,"part":{"annotations":[],"text":"","type":"output_text","logprobs":[]}`,
        )
      : ''
  }

  chunk({ delta, position }: ChunkPart): string {
    if (this.#tool !== undefined) {
      const call = `"delta":${JSON.stringify(toolArguments)},"item_id":"${this.#itemId}","output_index":0`
      return position > 0 ? '' : this.#event('response.function_call_arguments.delta', call)
    }
    return delta === ''
      ? ''
      : this.#event(
          'response.output_text.delta',
          `"content_index":0,"delta":${JSON.stringify(delta)},"item_id":"${this.#itemId}","logprobs":[],"output_index":0`,
        )
  }

  closing(generations: readonly Generation[]): string {
    const text = JSON.stringify(generations[0]?.text ?? '')
    return (
      this.#endPart(text) +
      this.#event(
        'response.output_item.done',
        `"item":${this.#item('completed', part(text))},"output_index":0`,
      ) +
      this.#event(
        'response.completed',
        `"response":${this.whole(generations, [generations[0]?.finishReason ?? 'stop'])}`,
      )
    )
  }

  #endPart(text: string): string {
    if (this.#tool !== undefined) {
      return this.#event(
        'response.function_call_arguments.done',
        `"arguments":${JSON.stringify(toolArguments)},"item_id":"${this.#itemId}","output_index":0`,
        '',
        `,"name":${JSON.stringify(this.#tool.name)}`,
      )
    }
    const place = `"content_index":0,"item_id":"${this.#itemId}"`
    return (
      this.#event(
        'response.output_text.done',
        `${place},"logprobs":[],"output_index":0`,
        `"text":${text},`,
      ) +
      this.#event('response.content_part.done', `${place},"output_index":0,"part":${part(text)}`)
    )
  }

  whole(generations: readonly Generation[], finishes: readonly Finish[]): string {
    const isCut = finishes[0] === 'length'
    const item = this.#item('completed', part(JSON.stringify(generations[0]?.text ?? '')))
    const { prompt, completion, cached } = usageOf(generations, 1)
    const usage =
      `{"input_tokens":${prompt},"input_tokens_details":{"cached_tokens":${cached},"cache_write_tokens":0,"input_tokens_per_turn":[],"cached_tokens_per_turn":[]},` +
      `"output_tokens":${completion},"output_tokens_details":{"reasoning_tokens":0,"tool_output_tokens":0,"output_tokens_per_turn":[],"tool_output_tokens_per_turn":[]},"total_tokens":${prompt + completion}}`
    const details = isCut ? '{"reason":"max_output_tokens"}' : 'null'
    return this.#response(isCut ? 'incomplete' : 'completed', item, usage, details)
  }

  broken(message: string): string {
    return this.#event('error', `"code":"500","message":${JSON.stringify(message)},"param":null`)
  }

  #response(status: string, output: string, usage: string, details: string): string {
    const { id, created, model } = this.#frame
    const { temperature, topP, maxOutputTokens, instructions, tools, toolChoice } = this.#echo
    return (
      `{"id":"${id}","created_at":${created},"incomplete_details":${details},"instructions":${JSON.stringify(instructions)},"metadata":null,"model":${JSON.stringify(model)},` +
      `"object":"response","output":[${output}],"parallel_tool_calls":true,"temperature":${decimal(temperature)},"tool_choice":${JSON.stringify(toolChoice)},"tools":${JSON.stringify(tools)},` +
      `"top_p":${decimal(topP)},"background":false,"max_output_tokens":${maxOutputTokens},"max_tool_calls":null,"previous_response_id":null,` +
      `"prompt":null,"reasoning":null,"service_tier":"auto","status":"${status}","text":null,"top_logprobs":null,"truncation":"disabled",` +
      `"usage":${usage},"user":null,"presence_penalty":0.0,"frequency_penalty":0.0,"kv_transfer_params":null,"ec_transfer_params":null,` +
      '"input_messages":null,"output_messages":null}'
    )
  }

  #item(status: string, content: string): string {
    if (this.#tool !== undefined) {
      const json = JSON.stringify(status === 'completed' ? toolArguments : '')
      return `{"arguments":${json},"call_id":"${this.#tool.id}","name":${JSON.stringify(this.#tool.name)},"type":"function_call","id":"${this.#itemId}","async":null,"caller":null,"namespace":null,"status":"${status}"}`
    }
    return `{"id":"${this.#itemId}","content":[${content}],"role":"assistant","status":"${status}","type":"message","phase":null}`
  }

  /** Fields stand in alphabetical order, mostly: `after` comes behind the sequence number, `last` behind the type. */
  #event(type: string, fields: string, after = '', last = ''): string {
    return `event: ${type}\ndata: {${fields},"sequence_number":${this.#sequence++},${after}"type":"${type}"${last}}\n\n`
  }
}

function part(text: string): string {
  return `{"annotations":[],"text":${text},"type":"output_text","logprobs":null}`
}

function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
