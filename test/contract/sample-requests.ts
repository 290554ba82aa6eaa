// What record-samples.ts asks a real vLLM, and the contract suite asks every engine again.
import { join } from 'node:path'
import type { ContractOptions } from './implementations.ts'

export const fixtures = join(import.meta.dirname, '..', 'fixtures')
export const base = 'base-0123456789ab'
export const samplesFolder = join(import.meta.dirname, 'samples')

/** The engine of all samples but those of plain-flags.json. */
export const mainOptions: ContractOptions = {
  task: 'Generate',
  toolCalls: false,
  modelPath: join(fixtures, 'tiny-llama'),
  servedModelName: base,
  maxLoras: 2,
  maxCpuLoras: 32,
  maxRank: 64,
  maxModelLen: 512,
  apiKey: 'pool-key',
  runtimeLora: true,
  asLaunched: true,
  drainSeconds: 5,
}

export const plainOptions: ContractOptions = {
  ...mainOptions,
  apiKey: undefined,
  runtimeLora: false,
  asLaunched: false,
  drainSeconds: 0,
}

/** The engine of tools.json. */
export const toolOptions: ContractOptions = { ...mainOptions, toolCalls: true }

/** The engine of embeddings.json: the same checkpoint, whose last hidden state is the answer. */
export const embedOptions: ContractOptions = { ...mainOptions, task: 'Embed' }

/** Recorded, but not compared: what they answer hangs on what the model writes, or nothing of ours relies on it. */
export const notCompared: ReadonlySet<string> = new Set([
  'metrics, fresh',
  'chat, n 2',
  'chat with a stop',
  'chat with json schema',
  'chat stream, n 2',
  'chat with bad schema',
  'completion, echo, logprobs, no tokens',
  'chat with a choice of words',
  'chat with a json object',
  'chat with a pattern that is none',
  'responses with logprobs',
  'responses to the end',
  'messages max_tokens 0',
  'messages with bad role',
  'messages with a stop',
  'messages stream with a stop',
  'tokenize with words',
  // A model this small calls tools with what is no object, which vLLM then cannot write.
  'messages with a named tool, parsed',
  'messages with any tool',
])

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly rawBody?: string
  readonly headers?: Readonly<Record<string, string>>
}

export const good = (name: string) => join(fixtures, 'adapters', name)
export const broken = (name: string) => join(fixtures, 'adapters-broken', name)
export const load = (lora_name: string, lora_path: string): Ask => ({
  path: '/v1/load_lora_adapter',
  body: { lora_name, lora_path },
})
export const unload = (lora_name: string): Ask => ({
  path: '/v1/unload_lora_adapter',
  body: { lora_name },
})
export const chat = (model: string, more: object = {}, text = 'hello there'): Ask => ({
  path: '/v1/chat/completions',
  body: {
    model,
    messages: [{ role: 'user', content: text }],
    max_tokens: 8,
    temperature: 0,
    ignore_eos: true,
    ...more,
  },
})
export const completion = (model: string, more: object = {}): Ask => ({
  path: '/v1/completions',
  body: {
    model,
    prompt: 'hello there',
    max_tokens: 6,
    temperature: 0,
    ignore_eos: true,
    ...more,
  },
})
