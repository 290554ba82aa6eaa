import type { Generation } from '../generation.ts'
import {
  usageOf,
  type AnswerFrame,
  type AnswerShape,
  type ChunkPart,
  type Finish,
} from './shape.ts'
import { toolArguments, type ToolCall } from './tool-call.ts'

const stopReasons: Readonly<Record<Finish, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
}

/** `/v1/messages`: Anthropic's shapes as vLLM 0.32 writes them. */
export class MessagesShape implements AnswerShape {
  readonly #frame: AnswerFrame
  readonly #tool: ToolCall | undefined
  #finish: Finish = 'stop'

  constructor(frame: AnswerFrame, tool?: ToolCall) {
    this.#frame = frame
    this.#tool = tool
  }

  opening(generations: readonly Generation[]): string {
    const { id, model } = this.#frame
    const input = generations[0]?.promptTokens ?? 0
    const message = `{"id":"${id}","type":"message","role":"assistant","content":[],"model":${JSON.stringify(model)},"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":${input},"output_tokens":0}}`
    return (
      event('message_start', `"message":${message}`) +
      event('content_block_start', `"content_block":${this.#block('""')},"index":0`)
    )
  }

  chunk({ delta, finish, position }: ChunkPart): string {
    this.#finish = finish ?? this.#finish
    if (this.#tool !== undefined) {
      const json = JSON.stringify(toolArguments)
      return position > 0
        ? ''
        : event(
            'content_block_delta',
            `"delta":{"type":"input_json_delta","partial_json":${json}},"index":0`,
          )
    }
    return delta === ''
      ? ''
      : event(
          'content_block_delta',
          `"delta":{"type":"text_delta","text":${JSON.stringify(delta)}},"index":0`,
        )
  }

  closing(generations: readonly Generation[]): string {
    const stop = generations[0]?.stopReason ?? null
    const reason = stop === null ? this.#reason(this.#finish) : 'stop_sequence'
    return (
      event('content_block_stop', '"index":0') +
      event(
        'message_delta',
        `"delta":{"stop_reason":"${reason}","stop_sequence":${JSON.stringify(stop)}},"usage":${usage(generations)}`,
      ) +
      event('message_stop', '')
    )
  }

  whole(generations: readonly Generation[], finishes: readonly Finish[]): string {
    const { id, model } = this.#frame
    const text = JSON.stringify(generations[0]?.text ?? '')
    const stop = generations[0]?.stopReason ?? null
    const reason =
      stop === null
        ? `"${this.#reason(finishes[0] ?? 'stop')}"`
        : `"stop_sequence","stop_sequence":${JSON.stringify(stop)}`
    return `{"id":"${id}","type":"message","role":"assistant","content":[${this.#block(text)}],"model":${JSON.stringify(model)},"stop_reason":${reason},"usage":${usage(generations)}}`
  }

  #block(text: string): string {
    return this.#tool === undefined
      ? `{"type":"text","text":${text}}`
      : `{"type":"tool_use","id":"${this.#tool.id}","name":${JSON.stringify(this.#tool.name)},"input":{}}`
  }

  #reason(finish: Finish): string {
    return finish === 'stop' && this.#tool !== undefined ? 'tool_use' : stopReasons[finish]
  }

  broken(message: string): string {
    return event(
      'error',
      `"error":{"type":"InternalServerError","message":${JSON.stringify(message)}}`,
    )
  }
}

function event(type: string, fields: string): string {
  return `event: ${type}\ndata: {"type":"${type}"${fields === '' ? '' : `,${fields}`}}\n\n`
}

function usage(generations: readonly Generation[]): string {
  const { prompt, completion, cached } = usageOf(generations, 1)
  return `{"input_tokens":${prompt - cached},"output_tokens":${completion},"cache_creation_input_tokens":0,"cache_read_input_tokens":${cached}}`
}
