// An agent on a simulated engine, with a shelf of real adapter files.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, vi } from 'vitest'
import { createAgent } from '../../src/agent/agent.ts'
import { silentLogger } from '../../src/agent/logger.ts'
import type { Agent, AgentOptions } from '../../src/agent/options.ts'
import type { CatalogueEntry, StateMessage, Want } from '../../src/api/agent-protocol.ts'
import { revisionOf } from '../../src/api/names.ts'
import { digestFolder } from '../../src/artifacts/digest.ts'
import type { StoredAdapter } from '../../src/artifacts/types.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import type { EngineClient } from '../../src/engine/types.ts'
import type { SimulatorOptions } from '../../src/sim/options.ts'
import { aLora, aTensor, writeAdapter } from './adapter-builder.ts'
import { SimulatorEngine } from './simulator-engine.ts'

export interface BenchOptions {
  readonly maxLoras?: number
  readonly maxCpuLoras?: number
  readonly simulator?: SimulatorOptions
  readonly agent?: Partial<AgentOptions>
  readonly restartable?: boolean
  /** Changes what the agent's calls to the engine do. */
  readonly client?: (client: EngineClient) => EngineClient
}

export const patience = { timeout: 10_000, interval: 10 }

export class AgentBench implements AsyncDisposable {
  readonly engine: SimulatorEngine
  readonly agent: Agent
  readonly messages: StateMessage[] = []
  readonly #folder: string
  readonly #shelf = new Map<string, StoredAdapter>()
  #sequence = 0

  static async create(options: BenchOptions = {}): Promise<AgentBench> {
    return new AgentBench(await mkdtemp(join(tmpdir(), 'loraplex-agent-')), options)
  }

  private constructor(folder: string, options: BenchOptions) {
    this.#folder = folder
    const { maxLoras = 4, maxCpuLoras = 32, client = (real) => real } = options
    const restartable = options.restartable ?? true
    this.engine = new SimulatorEngine(
      { maxLoras, maxCpuLoras, ...options.simulator },
      { restartable },
    )
    this.agent = createAgent({
      replica: 'pool-0',
      engine: this.engine,
      createClient: (address) => client(createEngineClient(address)),
      adapters: { get: (digest) => Promise.resolve(this.#shelf.get(digest)) },
      maxLoras,
      maxCpuLoras,
      logger: silentLogger,
      ...options.agent,
    })
    this.agent.watchState((message) => this.messages.push(message))
  }

  async start(): Promise<void> {
    await this.engine.boot()
    this.agent.start()
  }

  /** A good adapter; another seed is another content. */
  async write(seed: number): Promise<StoredAdapter> {
    const path = join(this.#folder, `adapter-${seed}`)
    const a = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', [4, 256])
    const b = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', [256, 4])
    await writeAdapter(path, aLora(a.filled(0.01 * (seed + 1)), b.filled(0.01)))
    return this.shelve(path)
  }

  /** One of the adapters of `test/fixtures`, such as `adapters-broken/no-effect`. */
  fixture(name: string): Promise<StoredAdapter> {
    return this.shelve(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)))
  }

  async shelve(path: string): Promise<StoredAdapter> {
    const digest = await digestFolder(path)
    const stored = { digest, path, sizeBytes: 1 }
    this.#shelf.set(digest, stored)
    return stored
  }

  /** Good ones, with seeds from 0. */
  writeSome(count: number): Promise<StoredAdapter[]> {
    return Promise.all(Array.from({ length: count }, (_, seed) => this.write(seed)))
  }

  /** One call past the agent. */
  async callEngine(call: (client: EngineClient) => Promise<unknown>): Promise<void> {
    const client = createEngineClient(this.engine.address)
    await call(client)
    await client.close()
  }

  unshelve(adapter: StoredAdapter): void {
    this.#shelf.delete(adapter.digest)
  }

  /** Sets the catalogue; answers the revisions in the same order. */
  async want(adapters: readonly StoredAdapter[], want: Want = 'Loaded'): Promise<string[]> {
    const entries = adapters.map((adapter) => entryOf(adapter, want))
    this.#sequence += 1
    await this.agent.setDesired({ term: 1, sequence: this.#sequence, entries })
    return entries.map((entry) => entry.revision)
  }

  /** Until all of them are in this state, or failed for this reason. */
  become(revisions: readonly string[], state: string): Promise<void> {
    const wanted = revisions.map(() => state)
    return vi.waitFor(() => expect(this.statesOf(revisions)).toEqual(wanted), patience)
  }

  stateOf(revision: string): string {
    const residency = this.agent.snapshot().residency.get(revision) ?? { state: 'Absent' }
    return residency.state === 'Failed' ? residency.reason : residency.state
  }

  statesOf(revisions: readonly string[]): string[] {
    return revisions.map((revision) => this.stateOf(revision))
  }

  /** What the stream told of one revision, in order. */
  toldOf(revision: string): string[] {
    return this.messages.flatMap((message) =>
      message.type === 'residency' && message.revision === revision
        ? [message.residency.state]
        : [],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.close()
    await this.engine.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export function entryOf(adapter: StoredAdapter, want: Want): CatalogueEntry {
  const { digest, sizeBytes } = adapter
  return { revision: revisionOf('team/pool', digest), digest, want, sizeBytes }
}
