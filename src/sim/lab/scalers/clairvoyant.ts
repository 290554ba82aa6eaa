import type { ScalePolicy } from '../scale-policy.ts'

/** A replica that is there from `fromMs` on; ordered a cold start before, unless it was there at the start. */
interface Stay {
  readonly orderMs: number
  readonly fromMs: number
  readonly toMs: number
}

export interface ClairvoyantOptions {
  /** Replicas wanted in each window, not rounded: `needOfTape`. */
  readonly need: Float64Array
  readonly windowMs: number
  readonly coldStartMs: number
  /** There at the start of the tape, for everybody. */
  readonly initial: number
}

export interface Clairvoyant {
  /** What it pays, in milliseconds of GPUs: the least there is for `need`. */
  readonly gpuMs: number
  readonly policy: ScalePolicy
}

/**
 * Knows the tape. Layer k is up where the need is above k − 1; through a gap it stays when that is cheaper than another
 * cold start, min(gap, D), and it pays D for each start. Layers do not depend on each other, so that is the optimum
 * (ski rental with a known season; A. Karlin et al., 1988).
 */
export function clairvoyant(options: ClairvoyantOptions): Clairvoyant {
  const most = options.need.reduce((max, value) => Math.max(max, Math.ceil(value)), 0)
  const stays: Stay[] = []
  for (let layer = 1; layer <= most; layer += 1) {
    stays.push(...staysOf(layer, options))
  }
  return {
    gpuMs: stays.reduce((sum, { orderMs, toMs }) => sum + toMs - orderMs, 0),
    policy: {
      name: 'clairvoyant',
      source: 'layers of R_LB(t), each at its least cost; knows the tape',
      everyMs: 1000,
      decide: ({ nowMs }) =>
        stays.filter(({ orderMs, toMs }) => orderMs <= nowMs && nowMs < toMs).length,
    },
  }
}

function staysOf(layer: number, options: ClairvoyantOptions): readonly Stay[] {
  const { need, windowMs, coldStartMs, initial } = options
  const stays: Stay[] = []
  for (const [index, value] of need.entries()) {
    if (value <= layer - 1) {
      continue
    }
    const [fromMs, toMs] = [index * windowMs, (index + 1) * windowMs]
    const last = stays.at(-1)
    const first = stays.length === 0 && layer <= initial
    if (last !== undefined && fromMs - last.toMs <= coldStartMs) {
      stays[stays.length - 1] = { ...last, toMs }
    } else if (first && fromMs <= coldStartMs) {
      stays.push({ orderMs: 0, fromMs: 0, toMs })
    } else {
      stays.push({ orderMs: Math.max(0, fromMs - coldStartMs), fromMs, toMs })
    }
  }
  return stays
}
