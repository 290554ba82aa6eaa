import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { request, type Dispatcher } from 'undici'
import type { SimulatorOptions } from '../../src/sim/options.ts'
import { startSimulator, type Simulator } from '../../src/sim/server.ts'

// What the tests of the simulator share: one to talk to, closed after each test.

const fixtures = join(import.meta.dirname, '..', 'fixtures')
export const good = (name: string) => join(fixtures, 'adapters', name)
export const broken = (name: string) => join(fixtures, 'adapters-broken', name)

const running: Simulator[] = []
const folders: string[] = []

export async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    modelPath: join(fixtures, 'tiny-llama'),
    servedModelNames: ['base'],
    maxLoras: 2,
    maxCpuLoras: 8,
    maxRank: 64,
    ...options,
  })
  running.push(simulator)
  return simulator
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((simulator) => simulator.close()))
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })))
})

export async function copyOf(path: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-sim-'))
  folders.push(folder)
  await cp(path, folder, { recursive: true, force: true })
  return folder
}

export interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  readonly text: string
}

export async function ask(simulator: Simulator, path: string, body?: unknown): Promise<Answer> {
  const {
    statusCode,
    headers,
    body: answer,
  } = await request(simulator.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: statusCode, headers, text: await answer.text() }
}

export const load = (simulator: Simulator, name: string, path: string) =>
  ask(simulator, '/v1/load_lora_adapter', { lora_name: name, lora_path: path })

export const messages = [{ role: 'user', content: 'what grows in the garden?' }]
export const chat = (simulator: Simulator, model: string, more: object = {}) =>
  ask(simulator, '/v1/chat/completions', { model, messages, ...more })

export interface ChatBody {
  readonly choices: readonly {
    readonly message: { readonly content: string }
    readonly finish_reason: string
    readonly logprobs: { readonly content: readonly TopLogprobs[] }
  }[]
  readonly usage: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly total_tokens: number
    readonly prompt_tokens_details: { readonly cached_tokens: number }
  }
}

export interface TopLogprobs {
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[]
}

export async function chatBody(
  simulator: Simulator,
  model: string,
  more: object = {},
): Promise<ChatBody> {
  return JSON.parse((await chat(simulator, model, more)).text) as ChatBody
}

export async function says(simulator: Simulator, model: string): Promise<string> {
  return (await chatBody(simulator, model)).choices[0]?.message.content ?? ''
}

export async function digestOf(path: string): Promise<string> {
  const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
  const files = ['adapter_config.json', 'adapter_model.safetensors']
  const lines = files.map(async (name) => `${sha256(await readFile(join(path, name)))}  ${name}\n`)
  return sha256((await Promise.all(lines)).join(''))
}

/** A stream whose first bytes have come; `abort` goes away. */
export async function stream(simulator: Simulator, model: string, maxTokens: number) {
  const controller = new AbortController()
  const { body, statusCode } = await request(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages,
      stream: true,
      max_tokens: maxTokens,
      ignore_eos: true,
    }),
    signal: controller.signal,
  })
  const text = body.text().catch((error: unknown) => `cut: ${String(error)}`)
  await expect.poll(() => simulator.engine.gauges.running).toBeGreaterThan(0)
  return { statusCode, text, abort: () => controller.abort() }
}
