import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestFolder } from '../../src/artifacts/digest.ts'
import type { ReplicaDescription } from '../../src/cluster/replica-pods.ts'
import { aLora, aTensor, writeAdapter } from './adapter-builder.ts'
import { BedChild } from './bed-child.ts'
import type { BedAnswer, LiveAdapter, LiveEngine } from './live-orders.ts'

export interface LiveBedOptions {
  readonly gateways: number
  readonly replicas: number
  readonly adapters: number
  readonly engine: LiveEngine
}

/** At one moment, over all replicas and gateways; see `BedAnswer`. */
export type LiveLook = Required<Omit<BedAnswer, 'replica' | 'url'>>

/**
 * Gateways in processes of their own before simulated engines with their agents, in another one: replicas come and go,
 * and gateways are told of them as they are in a cluster, each at its own moment.
 */
export class LiveBed implements AsyncDisposable {
  readonly adapters: ReadonlyMap<string, LiveAdapter>
  readonly urls: readonly string[]
  readonly #folder: string
  readonly #host: BedChild
  readonly #gateways: readonly BedChild[]
  #replicas: readonly ReplicaDescription[] = []
  #named = 0

  private constructor(
    folder: string,
    adapters: readonly LiveAdapter[],
    host: BedChild,
    gateways: readonly BedChild[],
    urls: readonly string[],
  ) {
    this.#folder = folder
    this.adapters = new Map(adapters.map((adapter) => [adapter.name, adapter]))
    this.#host = host
    this.#gateways = gateways
    this.urls = urls
  }

  static async start(options: LiveBedOptions): Promise<LiveBed> {
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-live-'))
    const adapters = await writeAdapters(folder, options.adapters)
    const host = new BedChild(scriptAt('live-replicas.ts'), { adapters, engine: options.engine })
    const gateways = Array.from(
      { length: options.gateways },
      () => new BedChild(scriptAt('live-gateway.ts'), { adapters }),
    )
    const answers = await Promise.all(gateways.map((gateway) => gateway.ask({ kind: 'Look' })))
    const urls = answers.map(({ url }) => url ?? '')
    const bed = new LiveBed(folder, adapters, host, gateways, urls)
    await Promise.all(Array.from({ length: options.replicas }, () => bed.#create()))
    await bed.#tell(() => 0)
    return bed
  }

  get replicas(): readonly ReplicaDescription[] {
    return this.#replicas
  }

  /** Resolves when the new replica has every adapter and every gateway knows. */
  async join(laterMs: () => number): Promise<void> {
    await this.#create()
    await this.#tell(laterMs)
  }

  /**
   * The oldest leaves. `Deleted`: its pod is, so gateways lose it from their list while it drains, each at its own moment.
   * `Cordoned`: it drains first and is taken off the lists when it is empty. Resolves when its engine has ended.
   */
  async leave(how: 'Deleted' | 'Cordoned', laterMs: () => number): Promise<void> {
    const [oldest, ...others] = this.#replicas
    if (oldest === undefined) {
      throw new Error('no replica is left')
    }
    const drained = this.#host.ask({ kind: 'Leave', name: oldest.name })
    if (how === 'Cordoned') {
      await drained
    }
    this.#replicas = others
    await Promise.all([drained, this.#tell(laterMs)])
  }

  async look(): Promise<LiveLook> {
    const [host, ...gateways] = await Promise.all(
      [this.#host, ...this.#gateways].map((child) => child.ask({ kind: 'Look' })),
    )
    return {
      held: host?.held ?? 0,
      waiting: host?.waiting ?? 0,
      queued: gateways.reduce((sum, { queued = 0 }) => sum + queued, 0),
      inFlight: gateways.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#gateways, this.#host]) {
      await child[Symbol.asyncDispose]()
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #create(): Promise<void> {
    this.#named += 1
    const { replica } = await this.#host.ask({ kind: 'Join', name: `pool-${this.#named}` })
    if (replica === undefined) {
      throw new Error('no replica was made')
    }
    this.#replicas = [...this.#replicas, replica]
  }

  async #tell(laterMs: () => number): Promise<void> {
    await Promise.all(
      this.#gateways.map(async (gateway) => {
        await new Promise((resolve) => setTimeout(resolve, laterMs()))
        await gateway.ask({ kind: 'Replicas', replicas: this.#replicas })
      }),
    )
  }
}

function scriptAt(name: string): string {
  return join(import.meta.dirname, name)
}

async function writeAdapters(folder: string, count: number): Promise<readonly LiveAdapter[]> {
  const a = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', [4, 256])
  const b = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', [256, 4])
  return Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const path = join(folder, `a${at}`)
      await writeAdapter(path, aLora(a.filled(0.01 * (at + 1)), b.filled(0.01)))
      return {
        name: `a${at}`,
        tenant: `t${at}x`,
        path,
        digest: await digestFolder(path),
        sizeBytes: 1,
      }
    }),
  )
}
