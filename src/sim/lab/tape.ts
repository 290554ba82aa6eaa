import { z } from 'zod'
import { UserError } from '../../errors.ts'

/** One request of a tape. */
export interface TapeRequest {
  /** Milliseconds from the start of the tape. */
  readonly atMs: number
  readonly tenant: string
  /** Empty: the base model. */
  readonly adapter: string
  readonly inputTokens: number
  readonly outputTokens: number
  /** Hashes of leading prompt blocks of 16 tokens, each standing for all before it, too; for prefix reuse. */
  readonly blocks: readonly number[]
}

export type Tape = readonly TapeRequest[]

/** With an adapter in it, it is still exact in a number: see lab-request.ts. */
const mostBlock = 2 ** 33 - 1

const lineShape = z.strictObject({
  t: z.number().min(0),
  tenant: z.string().min(1).max(253),
  adapter: z.string().max(253),
  input_tokens: z.int().min(1).max(10_000_000),
  output_tokens: z.int().min(1).max(10_000_000),
  blocks: z.array(z.int().min(0).max(mostBlock)).optional(),
})

/**
 * JSON lines `{t, tenant, adapter, input_tokens, output_tokens, blocks?}`, `t` in seconds from the start, in order.
 * @throws UserError that names line and field
 */
export function parseTape(text: string): Tape {
  const tape: TapeRequest[] = []
  let before = 0
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') {
      continue
    }
    const entry = parseLine(line, index + 1)
    if (entry.t < before) {
      throw new UserError(
        `Line ${index + 1} of the tape, field t: ${entry.t} is before the request above it.`,
      )
    }
    before = entry.t
    tape.push({
      atMs: entry.t * 1000,
      tenant: entry.tenant,
      adapter: entry.adapter,
      inputTokens: entry.input_tokens,
      outputTokens: entry.output_tokens,
      blocks: entry.blocks ?? [],
    })
  }
  if (tape.length === 0) {
    throw new UserError('The tape has no requests.')
  }
  return tape
}

function parseLine(line: string, number: number): z.infer<typeof lineShape> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new UserError(`Line ${number} of the tape is no JSON.`)
  }
  const parsed = lineShape.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const path = issue?.path.join('.') ?? ''
    const field = path === '' ? '' : `, field ${path}`
    throw new UserError(`Line ${number} of the tape${field}: ${issue?.message ?? 'is wrong'}.`)
  }
  return parsed.data
}

export function formatTape(tape: Tape): string {
  return tape
    .map(({ atMs, tenant, adapter, inputTokens, outputTokens, blocks }) =>
      JSON.stringify({
        t: Math.round(atMs) / 1000,
        tenant,
        adapter,
        input_tokens: inputTokens,
        output_tokens: outputTokens,
        ...(blocks.length === 0 ? {} : { blocks }),
      }),
    )
    .join('\n')
    .concat('\n')
}
