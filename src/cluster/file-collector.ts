import { statfs } from 'node:fs/promises'
import { Counter, type Registry } from 'prom-client'
import { addGauge } from '../telemetry/add-gauge.ts'
import type { Agent } from '../agent/options.ts'
import type { ContentStore } from '../artifacts/content-store.ts'
import type { Logger } from '../agent/logger.ts'

export interface FileCollectorOptions {
  readonly agent: Pick<Agent, 'mayDelete' | 'takeSpare'>
  readonly store: ContentStore
  readonly logger: Logger
  readonly registry: Registry
  readonly everyMs?: number
  /** Of the volume, what is free: 0 to 1. */
  readonly freeShareOf?: (folder: string) => Promise<number>
}

/** The kubelet evicts pods when 10 to 15 % of a node's disk are free, whoever filled it. */
const minFreeShare = 1 / 6

/** Keeps a replica's folder of adapters from growing for as long as its pod lives. */
export class FileCollector {
  readonly #options: FileCollectorOptions
  readonly #timer: NodeJS.Timeout
  readonly #removed: Counter
  #bytes = 0
  #running: Promise<void> | undefined

  constructor(options: FileCollectorOptions) {
    this.#options = options
    const registers = [options.registry]
    this.#removed = new Counter({
      name: 'loraplex_replica_files_removed_total',
      help: 'Adapters whose files were removed from this replica.',
      registers,
    })
    addGauge(
      options.registry,
      'loraplex_replica_files_bytes',
      'Bytes of adapter files on this replica.',
      () => this.#bytes,
    )
    this.#timer = setInterval(() => this.#start(), options.everyMs ?? 30_000).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  #start(): void {
    this.#running ??= this.collect()
      .catch((error: unknown) =>
        this.#options.logger.warn({ err: error }, 'unused adapter files were not removed'),
      )
      .finally(() => {
        this.#running = undefined
      })
  }

  /** What neither the catalogue names nor the engine may still read; while the disk is short, also what is merely allowed. */
  async collect(): Promise<void> {
    const { agent, store, freeShareOf = freeShare } = this.#options
    const sizes = new Map<string, number>()
    for (const { digest, sizeBytes } of await store.list()) {
      if (!agent.mayDelete(digest) || !(await this.#delete(digest))) {
        sizes.set(digest, sizeBytes)
      }
    }
    while ((await freeShareOf(store.root)) < minFreeShare) {
      // A load of it that begins just now fails once, and has it fetched again.
      const digest = agent.takeSpare()
      if (digest === undefined) {
        break
      }
      await this.#delete(digest)
      sizes.delete(digest)
    }
    this.#bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  async #delete(digest: string): Promise<boolean> {
    const isGone = await this.#options.store.delete(digest)
    this.#removed.inc(isGone ? 1 : 0)
    return isGone
  }
}

async function freeShare(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder)
  return bavail / Math.max(1, blocks)
}
