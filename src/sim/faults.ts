import { z } from 'zod'

const tokens = z.int().min(0).max(1_000_000)
const milliseconds = z.int().min(0).max(3_600_000)
/** Which requests: those of one `model` (absent: any), and how often before the fault is spent (absent: for ever). */
const aim = { model: z.string().optional(), times: z.int().min(1).optional() }

/** What can be made to go wrong, one object a fault, as `POST /simulator/faults` takes it. */
export const faultSchema = z.discriminatedUnion('kind', [
  /**
   * After so many streamed tokens: the process exits, or (`exit: false`) every connection is torn and the port closed.
   * `prompt`: only where these words are in it.
   */
  z.strictObject({
    kind: z.literal('Crash'),
    ...aim,
    prompt: z.string().min(1).optional(),
    afterTokens: tokens.default(0),
    exit: z.boolean().default(false),
  }),
  /** After so many tokens the stream stands still, its connection open. Without a stream: no answer ever. */
  z.strictObject({ kind: z.literal('Hang'), ...aim, afterTokens: tokens.default(0) }),
  /** So long before every chunk of a stream, or before the answer. */
  z.strictObject({ kind: z.literal('SlowDrip'), ...aim, delayMs: milliseconds }),
  /** The connection is reset: before the first byte, or after so many tokens. */
  z.strictObject({ kind: z.literal('Reset'), ...aim, afterTokens: tokens.default(0) }),
  /** An error event inside a stream that began with 200, then its end. */
  z.strictObject({
    kind: z.literal('ErrorInStream'),
    ...aim,
    afterTokens: tokens.default(0),
    message: z.string().default('Internal server error'),
  }),
  /** vLLM's answer at its queue limit. */
  z.strictObject({ kind: z.literal('Overload'), ...aim }),
  /** Any answer instead of a generation. */
  z.strictObject({
    kind: z.literal('Answer'),
    ...aim,
    status: z.int().min(200).max(599),
    body: z.string(),
    contentType: z.string().default('application/json'),
  }),
  /** Another name in `model` of the answer. */
  z.strictObject({ kind: z.literal('WrongModel'), ...aim, says: z.string() }),
  /** The load takes so much longer; the engine goes on meanwhile. */
  z.strictObject({ kind: z.literal('LoadSlow'), ...aim, delayMs: milliseconds }),
  z.strictObject({
    kind: z.literal('LoadFails'),
    ...aim,
    status: z.int().min(400).max(599).default(500),
    type: z.string().default('InternalServerError'),
    message: z.string(),
  }),
  /** 200, listed, and answers as the base. */
  z.strictObject({ kind: z.literal('LoadWithoutEffect'), ...aim }),
  /** /metrics grows by so many bytes. */
  z.strictObject({
    kind: z.literal('LargeMetrics'),
    times: aim.times,
    bytes: z
      .int()
      .min(1)
      .max(1 << 30),
  }),
  /** EngineCore dies at once, as after a missing adapter file. */
  z.strictObject({ kind: z.literal('KillEngine') }),
  /** /health, /metrics and /v1/models never answer. */
  z.strictObject({ kind: z.literal('HangControl'), times: aim.times }),
])

export type Fault = z.infer<typeof faultSchema>
export type FaultInput = z.input<typeof faultSchema>
export type FaultOf<K extends Fault['kind']> = Extract<Fault, { kind: K }>

interface Armed {
  readonly fault: Fault
  left: number
}

/** The faults in force. Each hit takes one of a fault's `times`. */
export class Faults {
  #armed: Armed[] = []
  #onAdd: (fault: Fault) => void = () => undefined

  /** Told of every fault as it is added. */
  set onAdd(listener: (fault: Fault) => void) {
    this.#onAdd = listener
  }

  add(input: FaultInput): void {
    const fault = faultSchema.parse(input)
    const times = 'times' in fault ? fault.times : undefined
    this.#armed.push({ fault, left: times ?? Number.POSITIVE_INFINITY })
    this.#onAdd(fault)
  }

  clear(): void {
    this.#armed = []
  }

  get list(): readonly Fault[] {
    return this.#armed.map(({ fault }) => fault)
  }

  /** The first fault of that kind for that model and prompt, used once. */
  take<K extends Fault['kind']>(kind: K, model?: string, prompt?: string): FaultOf<K> | undefined {
    if (this.#armed.length === 0) {
      return undefined
    }
    const armed = this.#armed.find(
      ({ fault }) => fault.kind === kind && aimsAt(fault, model, prompt),
    )
    if (armed === undefined) {
      return undefined
    }
    armed.left -= 1
    this.#armed = this.#armed.filter(({ left }) => left > 0)
    return armed.fault as FaultOf<K>
  }
}

function aimsAt(fault: Fault, model: string | undefined, prompt = ''): boolean {
  const aimsAtModel = !('model' in fault) || fault.model === undefined || fault.model === model
  const words = 'prompt' in fault ? (fault.prompt ?? '') : ''
  return aimsAtModel && prompt.includes(words)
}
