import { Counter, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { errorTable, type ErrorCode } from '../errors.ts'
import type { RouteTarget } from '../core/resolve.ts'
import type { ExchangeOutcome } from './relay/exchange.ts'
import { addGauge } from '../telemetry/add-gauge.ts'
import type { LimitWatch } from './metering/limit-watch.ts'

type TokenKind = 'input' | 'output' | 'cached_input'

/** Labels are pool, adapter, tenant, code and fault; never key, user or revision. */
export class GatewayMetrics {
  readonly registry = new Registry()
  readonly #refusals: Counter
  readonly #firstByte: Histogram
  readonly #duration: Histogram
  readonly #retries: Counter
  readonly #tallies = new Map<string, Tally>()
  /** A target is one tenant's, so the object itself leads to its tally; gone with the routing table it belongs to. */
  readonly #tallyOfTarget = new WeakMap<RouteTarget, Tally>()

  constructor(gauges: {
    readonly inFlight: () => number
    readonly queued: () => number
    readonly limits: LimitWatch
  }) {
    const registers = [this.registry]
    const tallies = this.#tallies
    this.#refusals = new Counter({
      name: 'loraplex_requests_total',
      help: 'Requests by how they ended.',
      labelNames: ['pool', 'adapter', 'tenant', 'code', 'fault'],
      registers,
      collect() {
        for (const { labels, codes } of tallies.values()) {
          for (const [code, count] of codes) {
            this.inc({ ...labels, code, fault: faultOf(code) }, count)
          }
          codes.clear()
        }
      },
    })
    const tokensTotal = new Counter({
      name: 'loraplex_tokens_total',
      help: 'Tokens as the engine counted them; aborted answers up to their last frame.',
      labelNames: ['pool', 'adapter', 'tenant', 'kind'],
      registers: [],
      collect() {
        for (const { labels, tokens } of tallies.values()) {
          for (const kind of tokenKinds) {
            this.inc({ ...labels, kind }, tokens[kind])
            tokens[kind] = 0
          }
        }
      },
    })
    this.registry.registerMetric(tokensTotal)
    this.#firstByte = new Histogram({
      name: 'loraplex_time_to_first_byte_seconds',
      help: 'From arrival to the first byte of the answer.',
      labelNames: ['pool'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    })
    this.#duration = new Histogram({
      name: 'loraplex_request_duration_seconds',
      help: 'From arrival to the last byte.',
      labelNames: ['pool'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
      registers,
    })
    this.#retries = new Counter({
      name: 'loraplex_retries_total',
      help: 'Requests that were tried on a second engine process.',
      registers,
    })
    addGauge(
      this.registry,
      'loraplex_requests_in_flight',
      'Requests now waiting or at an engine.',
      gauges.inFlight,
    )
    addGauge(
      this.registry,
      'loraplex_requests_queued',
      'Requests that wait for a slot, a load or a replica.',
      gauges.queued,
    )
    for (const metric of gauges.limits.metrics) {
      this.registry.registerMetric(metric)
    }
    collectDefaultMetrics({ register: this.registry })
  }

  /** A request that was resolved to a target. */
  observe(target: RouteTarget, tenant: string, outcome: ExchangeOutcome): void {
    let tally = this.#tallyOfTarget.get(target)
    if (tally === undefined) {
      tally = this.#tallyOf(target, tenant)
      this.#tallyOfTarget.set(target, tally)
    }
    tally.codes.set(outcome.code, (tally.codes.get(outcome.code) ?? 0) + 1)
    tally.duration.observe(outcome.durationMs / 1000)
    // A whole answer has no first byte of its own: it would say the same as the duration.
    if (outcome.streamed && outcome.firstByteMs !== undefined) {
      tally.firstByte.observe(outcome.firstByteMs / 1000)
    }
    if (outcome.usage !== undefined) {
      tally.tokens.input += outcome.usage.promptTokens
      tally.tokens.output += outcome.usage.completionTokens
      tally.tokens.cached_input += outcome.usage.cachedTokens
    }
    if (outcome.attempts > 1) {
      this.#retries.inc()
    }
  }

  /** A request that was refused before it had a target. */
  refuse(code: ErrorCode, tenant = ''): void {
    this.#refusals.inc({ pool: '', adapter: '', tenant, code, fault: errorTable[code].fault })
  }

  #tallyOf(target: RouteTarget, tenant: string): Tally {
    const adapter = target.adapterKey ?? ''
    const key = `${target.poolKey}\0${adapter}\0${tenant}`
    let tally = this.#tallies.get(key)
    if (tally === undefined) {
      tally = {
        labels: { pool: target.poolKey, adapter, tenant },
        codes: new Map(),
        tokens: { input: 0, output: 0, cached_input: 0 },
        firstByte: this.#firstByte.labels({ pool: target.poolKey }),
        duration: this.#duration.labels({ pool: target.poolKey }),
      }
      this.#tallies.set(key, tally)
    }
    return tally
  }
}

const tokenKinds: readonly TokenKind[] = ['input', 'output', 'cached_input']

/** Counts since the last scrape: added to prom-client's counters then, not request by request. */
interface Tally {
  readonly labels: { readonly pool: string; readonly adapter: string; readonly tenant: string }
  readonly codes: Map<ExchangeOutcome['code'], number>
  readonly tokens: Record<TokenKind, number>
  readonly firstByte: Histogram.Internal<string>
  readonly duration: Histogram.Internal<string>
}

function faultOf(code: ExchangeOutcome['code']): string {
  return code === 'ok' || code === 'client_closed' ? 'None' : errorTable[code].fault
}
