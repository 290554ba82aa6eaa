import type { Gateway } from '../gateway/gateway.ts'

export interface GatewayReadinessOptions {
  readonly gateway: Gateway
  readonly maxConfigAgeMs: number
  /** When the API server was heard last; monotonic milliseconds. */
  readonly heardAtMs: () => number
  readonly now?: () => number
}

/** A new gateway waits so long for its replicas' agents; those that are silent must not keep it out of service. */
const maxAgentWaitMs = 3000

/** Whether the Service should send traffic here, and words for why not. */
export class GatewayReadiness {
  readonly #options: GatewayReadinessOptions
  readonly #now: () => number
  #waitsFor = "the installation's secret"
  #syncedAtMs: number | undefined
  #wasReady = false

  constructor(options: GatewayReadinessOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  waitFor(what: string): void {
    this.#waitsFor = what
  }

  /** Resources and replicas are known and the table is built. */
  synced(): void {
    this.#syncedAtMs = this.#now()
  }

  /** Age of what this gateway goes by, in milliseconds. */
  get configAgeMs(): number {
    return this.#syncedAtMs === undefined ? 0 : this.#now() - this.#options.heardAtMs()
  }

  notReady(): string | undefined {
    const { gateway, maxConfigAgeMs } = this.#options
    if (gateway.leaving) {
      return gateway.draining ? 'draining' : 'about to stop'
    }
    if (this.#syncedAtMs === undefined) {
      return `waiting for ${this.#waitsFor}`
    }
    if (this.configAgeMs > maxConfigAgeMs) {
      return `the API server was not heard for ${seconds(this.configAgeMs)} s, longer than --max-config-age (${seconds(maxConfigAgeMs)} s)`
    }
    const silent = this.#wasReady ? [] : gateway.views().filter(({ heard }) => !heard)
    if (silent.length > 0 && this.#now() - this.#syncedAtMs < maxAgentWaitMs) {
      return `waiting for the agents of ${silent.length} replicas`
    }
    this.#wasReady = true
    return undefined
  }
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
