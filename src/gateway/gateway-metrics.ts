import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { errorTable, type ErrorCode } from '../errors.ts'
import type { RouteTarget } from '../core/resolve.ts'
import type { ExchangeOutcome } from './exchange.ts'

/** Labels are pool, adapter, tenant, code and fault; never key, user or revision. */
export class GatewayMetrics {
  readonly registry = new Registry()
  readonly #requests: Counter
  readonly #tokens: Counter
  readonly #firstByte: Histogram
  readonly #duration: Histogram
  readonly #retries: Counter
  readonly #bound = new Map<string, BoundMetrics>()

  constructor(gauges: { readonly inFlight: () => number; readonly queued: () => number }) {
    const registers = [this.registry]
    const labels = ['pool', 'adapter', 'tenant'] as const
    this.#requests = new Counter({
      name: 'loraplex_requests_total',
      help: 'Requests by how they ended.',
      labelNames: [...labels, 'code', 'fault'],
      registers,
    })
    this.#tokens = new Counter({
      name: 'loraplex_tokens_total',
      help: 'Tokens as the engine counted them; aborted answers up to their last frame.',
      labelNames: [...labels, 'kind'],
      registers,
    })
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
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        },
      })
    gauge('loraplex_requests_in_flight', 'Requests now waiting or at an engine.', gauges.inFlight)
    gauge(
      'loraplex_requests_queued',
      'Requests that wait for a slot, a load or a replica.',
      gauges.queued,
    )
    collectDefaultMetrics({ register: this.registry })
  }

  /** A request that was resolved to a target. */
  observe(target: RouteTarget, tenant: string, outcome: ExchangeOutcome): void {
    const bound = this.#boundFor(target, tenant)
    bound.count(outcome.code)
    bound.duration.observe(outcome.durationMs / 1000)
    if (outcome.firstByteMs !== undefined) {
      bound.firstByte.observe(outcome.firstByteMs / 1000)
    }
    if (outcome.usage !== undefined) {
      bound.prompt.inc(outcome.usage.promptTokens)
      bound.completion.inc(outcome.usage.completionTokens)
      bound.cached.inc(outcome.usage.cachedTokens)
    }
    if (outcome.attempts > 1) {
      this.#retries.inc()
    }
  }

  /** A request that was refused before it had a target. */
  refuse(code: ErrorCode, tenant = ''): void {
    this.#requests.inc({ pool: '', adapter: '', tenant, code, fault: errorTable[code].fault })
  }

  #boundFor(target: RouteTarget, tenant: string): BoundMetrics {
    const adapter = target.adapterKey ?? ''
    const key = `${target.poolKey}\0${adapter}\0${tenant}`
    let bound = this.#bound.get(key)
    if (bound === undefined) {
      const labels = { pool: target.poolKey, adapter, tenant }
      const counts = new Map<string, Counter.Internal>()
      bound = {
        count: (code) => {
          let counter = counts.get(code)
          if (counter === undefined) {
            counter = this.#requests.labels({ ...labels, code, fault: faultOf(code) })
            counts.set(code, counter)
          }
          counter.inc()
        },
        prompt: this.#tokens.labels({ ...labels, kind: 'input' }),
        completion: this.#tokens.labels({ ...labels, kind: 'output' }),
        cached: this.#tokens.labels({ ...labels, kind: 'cached_input' }),
        firstByte: this.#firstByte.labels({ pool: target.poolKey }),
        duration: this.#duration.labels({ pool: target.poolKey }),
      }
      this.#bound.set(key, bound)
    }
    return bound
  }
}

interface BoundMetrics {
  readonly count: (code: ExchangeOutcome['code']) => void
  readonly prompt: Counter.Internal
  readonly completion: Counter.Internal
  readonly cached: Counter.Internal
  readonly firstByte: Histogram.Internal<string>
  readonly duration: Histogram.Internal<string>
}

function faultOf(code: ExchangeOutcome['code']): string {
  return code === 'ok' || code === 'client_closed' ? 'None' : errorTable[code].fault
}
