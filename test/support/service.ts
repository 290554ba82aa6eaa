import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Agent, request as send } from 'undici'
import { Standalone } from '../../src/standalone/standalone.ts'
import { openAdminAuth } from '../../src/telemetry/admin-auth.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export const fixtures = join(import.meta.dirname, '..', 'fixtures')

export interface ServiceOptions {
  readonly engine?: 'vllm' | 'simulator'
  /** Files of the resource folder, by name. */
  readonly files: Readonly<Record<string, string>>
  readonly maxQueueMs?: number
  readonly logLevel?: string
}

/** A whole standalone service in this process, on a temporary folder of YAML, with its engines as real children. */
export class TestService {
  readonly folder: string
  readonly state: string
  readonly standalone: Standalone
  readonly #agent = new Agent({ connections: null, pipelining: 1, allowH2: false })

  private constructor(folder: string, standalone: Standalone) {
    this.folder = folder
    this.state = join(folder, '.loraplex')
    this.standalone = standalone
  }

  static async start(options: ServiceOptions): Promise<TestService> {
    const folder = mkdtempSync(join(tmpdir(), 'loraplex-test-'))
    for (const [name, text] of Object.entries(options.files)) {
      writeFileSync(join(folder, name), text)
    }
    const standalone = await Standalone.start({
      folder,
      stateFolder: join(folder, '.loraplex'),
      engine: options.engine ?? 'simulator',
      host: '127.0.0.1',
      port: 0,
      adminPort: 0,
      adminAuth: openAdminAuth,
      unknownFields: 'Drop',
      maxQueueMs: options.maxQueueMs ?? 30_000,
      logger: createLogger({
        format: 'text',
        level: options.logLevel ?? process.env['LORAPLEX_TEST_LOG'] ?? 'error',
        write: (line) => process.stderr.write(line),
      }),
      env: process.env,
      onProgress: () => undefined,
    })
    return new TestService(folder, standalone)
  }

  get url(): string {
    return this.standalone.url
  }

  key(tenant: string): string {
    const key = this.standalone.source.keys().get(tenant)
    if (key === undefined) {
      throw new Error(`tenant ${tenant} has no starter key`)
    }
    return key
  }

  /** Whole or not at all, as an editor saves. */
  save(name: string, text: string): void {
    const temporary = join(this.folder, `.${name}.tmp`)
    writeFileSync(temporary, text)
    renameSync(temporary, join(this.folder, name))
  }

  remove(name: string): void {
    rmSync(join(this.folder, name))
  }

  /** Waits for a condition of the adapter's status; fails with the status in words. */
  async untilAdapter(
    key: string,
    isSo: (ready: { status: string; reason: string; generation: number }) => boolean,
    withinMs = 60_000,
  ): Promise<void> {
    const deadline = Date.now() + withinMs
    for (;;) {
      const status = this.standalone.source.status('LoraAdapter', key)
      const ready = status?.conditions.find((condition) => condition.type === 'Ready')
      if (
        ready !== undefined &&
        isSo({ status: ready.status, reason: ready.reason, generation: ready.observedGeneration })
      ) {
        return
      }
      if (Date.now() > deadline) {
        throw new Error(
          `${key} is not so after ${withinMs} ms: ${JSON.stringify(status?.conditions)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  untilReady(...keys: readonly string[]): Promise<void[]> {
    return Promise.all(
      keys.map((key) => this.untilAdapter(key, ({ status }) => status === 'True', 600_000)),
    )
  }

  /** The digest that callers of this adapter get now. */
  activeDigest(key: string): string | undefined {
    return this.standalone.source
      .status('LoraAdapter', key)
      ?.revisions.find((revision) => revision.role === 'Active')?.digest
  }

  async chat(
    tenant: string,
    model: string,
    body: Readonly<Record<string, unknown>> = {},
  ): Promise<{ status: number; text: string; body: string }> {
    const answer = await send(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.key(tenant)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }], ...body }),
    })
    const whole = await answer.body.text()
    return {
      status: answer.statusCode,
      text: answer.statusCode === 200 && body['stream'] !== true ? contentOf(whole) : '',
      body: whole,
    }
  }

  /** The whole text of a stream; `onStart` at its first bytes. */
  async stream(
    tenant: string,
    model: string,
    body: Readonly<Record<string, unknown>>,
    onStart: () => void,
  ): Promise<string> {
    const answer = await send(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: {
        authorization: `Bearer ${this.key(tenant)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ model, stream: true, ...body }),
    })
    let text = ''
    for await (const chunk of answer.body) {
      if (text === '') {
        onStart()
      }
      text += String(chunk)
    }
    return text
  }

  /** Milliseconds until the first content token of a stream, or undefined where it was refused. */
  async timeToFirstToken(tenant: string, model: string): Promise<number | undefined> {
    const startedAt = performance.now()
    const answer = await send(`${this.url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.key(tenant)}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        stream: true,
        max_tokens: 2,
        messages: [{ role: 'user', content: 'hello' }],
      }),
    })
    let took: number | undefined
    for await (const chunk of answer.body) {
      if (answer.statusCode === 200 && took === undefined && String(chunk).includes('"content":')) {
        took = performance.now() - startedAt
      }
    }
    return took
  }

  /** Process ids of the engines, founders of their groups. */
  enginePids(): readonly number[] {
    return readdirSync(join(this.state, 'engines'))
      .filter((name) => name.endsWith('.pid'))
      .map((name) =>
        Number(/\d+/.exec(readFileSync(join(this.state, 'engines', name), 'utf8'))?.[0]),
      )
  }

  async close(): Promise<void> {
    await this.standalone.close(0)
    await this.#agent.destroy()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function contentOf(body: string): string {
  const value = JSON.parse(body) as { choices: { message?: { content: string } }[] }
  return value.choices[0]?.message?.content ?? ''
}

export interface PoolYaml {
  readonly maxLoras?: number
  readonly maxCpuLoras?: number
  readonly replicas?: number
  readonly args?: readonly string[]
}

/** A pool on the tiny model that takes adapters from anywhere. */
export function poolYaml({
  maxLoras = 4,
  maxCpuLoras = 64,
  replicas = 1,
  args = [],
}: PoolYaml = {}): string {
  return `apiVersion: loraplex.dev/v1alpha1
kind: ModelPool
metadata: {name: tiny, namespace: models}
spec:
  model: {uri: "file://${fixtures}/tiny-llama", maxModelLen: 1024}
  engine: {args: ${JSON.stringify(args)}}
  lora: {maxLoras: ${maxLoras}, maxCpuLoras: ${maxCpuLoras}, maxRank: 64, sources: [{uriPrefix: "file:///"}]}
  replicas: ${replicas}
  allowedNamespaces: {from: All}
`
}

export function tenantYaml(name: string): string {
  return `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: ${name}}
spec: {}
`
}

export function adapterYaml(tenant: string, name: string, source: string): string {
  return `---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: ${name}, namespace: ${tenant}}
spec:
  poolRefs: [{name: tiny, namespace: models}]
  source: {uri: "file://${source}"}
`
}

/** A good adapter of its own content: a fixture with one byte of its safetensors metadata changed. */
export function variantOf(adapter: string, number: number, folder: string): string {
  const target = join(folder, `${adapter}-${number}`)
  mkdirSync(target, { recursive: true })
  const source = join(fixtures, 'adapters', adapter)
  copyFileSync(join(source, 'adapter_model.safetensors'), join(target, 'adapter_model.safetensors'))
  const config = JSON.parse(readFileSync(join(source, 'adapter_config.json'), 'utf8')) as Record<
    string,
    unknown
  >
  writeFileSync(
    join(target, 'adapter_config.json'),
    JSON.stringify({ ...config, revision: `variant-${number}` }),
  )
  return target
}

/** The value below which `share` of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
