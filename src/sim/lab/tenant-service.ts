import type { LabRequest } from './lab-request.ts'

/** VTC's: a token of output is about as much work as two of input. */
const inputCost = 1
const outputCost = 2

/** A request waits, be it at the gateway or inside an engine, if its first token takes longer than a prompt may. */
const waitMs = 1000

export interface ServiceOptions {
  readonly fromMs: number
  readonly toMs: number
  readonly refused?: ReadonlySet<LabRequest> | undefined
}

/** What a tenant got and asked for in some seconds; tokens, output counted twice. */
export interface TenantWindow {
  readonly got: number
  /** By requests that came within. */
  readonly asked: number
  /** By requests that waited as it began, and as it ended. */
  readonly waitedBefore: number
  readonly waitsAfter: number
  /** Somebody waited in each of its seconds, all the time. */
  readonly isBacklogged: boolean
}

export interface ServiceWindows {
  readonly tenants: readonly string[]
  readonly seconds: number
  /** @param from seconds after the start of what is looked at */
  window(tenant: string, from: number, to: number): TenantWindow
}

/** Running sums by second: of a window, what it ends with less what it begins with. */
interface Sums {
  readonly got: Float64Array
  readonly asked: Float64Array
  readonly backlogged: Float64Array
  /** No sum, but what waits as each second begins, and at the end of all. */
  readonly waiting: Float64Array
}

/** Who was served when, by tenant and second of one run. A prompt counts with its first token. */
export class TenantService implements ServiceWindows {
  readonly seconds: number
  /** Prompt and output tokens, each once. */
  readonly tokens: number
  readonly #fromMs: number
  readonly #sums = new Map<string, Sums>()

  constructor(requests: readonly LabRequest[], { fromMs, toMs, refused }: ServiceOptions) {
    this.seconds = Math.floor((toMs - fromMs) / 1000)
    this.#fromMs = fromMs
    const byTenant = Map.groupBy(requests, ({ entry }) => entry.tenant)
    let tokens = 0
    for (const [tenant, own] of byTenant) {
      const sums = this.#empty()
      for (const request of own) {
        tokens += this.#addService(sums.got, request)
        this.#add(sums.asked, request.arrivedMs, costOf(request))
      }
      const waited = own.filter((request) => refused?.has(request) !== true)
      this.#addWaits(sums, waited)
      for (const each of Object.values(sums)) {
        accumulate(each)
      }
      this.#sums.set(tenant, sums)
    }
    this.tokens = tokens
  }

  get tenants(): readonly string[] {
    return [...this.#sums.keys()]
  }

  window(tenant: string, from: number, to: number): TenantWindow {
    const { got, asked, backlogged, waiting } = this.#sums.get(tenant) ?? this.#empty()
    return {
      got: between(got, from, to),
      asked: between(asked, from, to),
      waitedBefore: waiting[from] ?? 0,
      waitsAfter: waiting[to] ?? 0,
      isBacklogged: between(backlogged, from, to) === to - from,
    }
  }

  /** Answers its tokens within what is looked at. */
  #addService(got: Float64Array, request: LabRequest): number {
    const { promptTokens, outputTokens, firstTokenMs, endMs } = request
    if (Number.isNaN(firstTokenMs)) {
      return 0
    }
    let tokens = this.#add(got, firstTokenMs, inputCost * promptTokens + outputCost)
      ? promptTokens + 1
      : 0
    // One that did not end within the run began long after what is looked at.
    const gapMs = Number.isNaN(endMs) ? Infinity : (endMs - firstTokenMs) / (outputTokens - 1)
    for (let token = 1; token < outputTokens && gapMs < Infinity; token += 1) {
      tokens += this.#add(got, firstTokenMs + token * gapMs, outputCost) ? 1 : 0
    }
    return tokens
  }

  /** Seconds that are covered, from end to end, by times of somebody waiting; and the work that waits as a second begins. */
  #addWaits({ backlogged, waiting }: Sums, requests: readonly LabRequest[]): void {
    let coveredFromMs = -Infinity
    let coveredToMs = -Infinity
    const cover = (): void => {
      const first = Math.max(0, Math.ceil((coveredFromMs - this.#fromMs) / 1000))
      const last = Math.min(this.seconds, Math.floor((coveredToMs - this.#fromMs) / 1000))
      backlogged.fill(1, first, Math.max(first, last))
    }
    for (const request of requests) {
      const { arrivedMs } = request
      const untilMs = Number.isNaN(request.firstTokenMs) ? Infinity : request.firstTokenMs
      if (untilMs - arrivedMs > waitMs) {
        if (arrivedMs > coveredToMs) {
          cover()
          coveredFromMs = arrivedMs
        }
        coveredToMs = Math.max(coveredToMs, untilMs)
        this.#level(waiting, arrivedMs, untilMs, costOf(request))
      }
    }
    cover()
  }

  /** So much more at each beginning of a second from the one time to the other; as differences, for running sums. */
  #level(values: Float64Array, fromMs: number, untilMs: number, cost: number): void {
    const first = Math.max(0, Math.ceil((fromMs - this.#fromMs) / 1000))
    const last = Math.ceil((untilMs - this.#fromMs) / 1000)
    if (first < last && first < values.length) {
      values[first] = (values[first] ?? 0) + cost
      if (last < values.length) {
        values[last] = (values[last] ?? 0) - cost
      }
    }
  }

  /** False: outside of what is looked at. */
  #add(values: Float64Array, atMs: number, cost: number): boolean {
    const second = Math.floor((atMs - this.#fromMs) / 1000)
    if (second < 0 || second >= this.seconds) {
      return false
    }
    values[second] = (values[second] ?? 0) + cost
    return true
  }

  #empty(): Sums {
    const zeros = (): Float64Array => new Float64Array(this.seconds)
    const waiting = new Float64Array(this.seconds + 1)
    return { got: zeros(), asked: zeros(), backlogged: zeros(), waiting }
  }
}

function costOf({ promptTokens, outputTokens }: LabRequest): number {
  return inputCost * promptTokens + outputCost * outputTokens
}

function accumulate(values: Float64Array): void {
  for (let at = 1; at < values.length; at += 1) {
    values[at] = (values[at] ?? 0) + (values[at - 1] ?? 0)
  }
}

function between(sums: Float64Array, from: number, to: number): number {
  return (sums[to - 1] ?? 0) - (from === 0 ? 0 : (sums[from - 1] ?? 0))
}
