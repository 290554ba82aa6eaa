import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { UserError } from '../../../errors.ts'
import { blockTokens } from '../../prefix-cache.ts'
import { createRandom, drawIndex, type Random } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'
import { paced } from './paced.ts'
import type { Workload } from './workload.ts'
import { zipfWeights } from './zipf-weights.ts'

/** Timestamps come in steps of 3 s: where in its step a request came is drawn. */
const stepMs = 3000
/** Tokens that one of its hashes stands for. */
const hashTokens = 512
const perHash = hashTokens / blockTokens

const lineShape = z.object({
  timestamp: z.number().min(0),
  input_length: z.int().min(1),
  output_length: z.int().min(1),
  hash_ids: z.array(z.int().min(0)),
})

/** Long conversations with shared prefixes; each conversation is one tenant's. */
export const mooncake: Workload = {
  name: 'mooncake',
  summary:
    'long conversations (12,000 tokens in) whose prompts share prefixes; a conversation stays with its adapter',
  source:
    'Mooncake, FAST 2025, conversation_trace.jsonl: R. Qin et al. It names no users; the adapter of a conversation is drawn',
  knobs: { adapters: 32, zipf: 1, rate: 'recorded', seconds: 'recorded' },
  files: [
    {
      names: ['mooncake-conversation.jsonl.gz', 'conversation_trace.jsonl'],
      source: 'github.com/kvcache-ai/Mooncake, FAST25-release/traces, Apache-2.0',
    },
  ],
  make({ knob, files, seed }): Tape {
    const random = createRandom(seed)
    const weights = zipfWeights(knob('adapters') ?? 1, knob('zipf') ?? 1)
    const owners = new Map<number, string>()
    const text = new TextDecoder().decode(unpacked(files[0] ?? new Uint8Array()))
    const tape: TapeRequest[] = text.split('\n').flatMap((line, index) => {
      if (line.trim() === '') {
        return []
      }
      const entry = parseLine(line, index + 1)
      const adapter = ownerOf(entry.hash_ids, owners, weights, random)
      return [
        {
          atMs: entry.timestamp + random.next() * stepMs,
          tenant: adapter,
          adapter,
          inputTokens: entry.input_length,
          outputTokens: entry.output_length,
          blocks: entry.hash_ids.flatMap((hash) =>
            Array.from({ length: perHash }, (_, at) => hash * perHash + at),
          ),
        },
      ]
    })
    tape.sort((left, right) => left.atMs - right.atMs)
    return paced(tape, knob('rate'), knob('seconds'))
  },
}

/** All prompts begin with the same block; the second tells conversations apart. */
function ownerOf(
  hashes: readonly number[],
  owners: Map<number, string>,
  weights: readonly number[],
  random: Random,
): string {
  const conversation = hashes[1] ?? hashes[0] ?? -1
  const owner = owners.get(conversation) ?? `a${drawIndex(random, weights)}`
  owners.set(conversation, owner)
  return owner
}

function unpacked(file: Uint8Array): Uint8Array {
  return file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : file
}

function parseLine(line: string, number: number): z.infer<typeof lineShape> {
  try {
    return lineShape.parse(JSON.parse(line))
  } catch (error) {
    const field = error instanceof z.ZodError ? error.issues[0]?.path.join('.') : undefined
    const what = field === undefined ? 'is no JSON' : `: ${field} is wrong`
    throw new UserError(`Line ${number} of Mooncake’s trace ${what}.`, 1, error)
  }
}
