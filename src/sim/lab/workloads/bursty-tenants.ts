import { createRandom, gamma, lengthOf, type Random } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'

export interface BurstyOptions {
  readonly tenants: number
  /** Requests a second, all together, on average. */
  readonly rate: number
  readonly seconds: number
  readonly seed: number
}

const windowSeconds = 600

/**
 * Tenants as ServeGen found them (Alibaba, arXiv:2505.09999; m-large): each is busy in 8–41 % of windows of ten minutes
 * and silent in the others, arrives in clumps (gaps with a coefficient of variation of 2–12, the large ones 2–4, as
 * their mean by rate is 3.5), and their rates follow Zipf's law with exponent 0.94.
 */
export function burstyTenantsTape(options: BurstyOptions): Tape {
  const { tenants, rate, seconds } = options
  const random = createRandom(options.seed)
  const shares = Array.from({ length: tenants }, (_, rank) => (rank + 1) ** -0.94)
  const sum = shares.reduce((total, share) => total + share, 0)
  const tape = shares.flatMap((share, rank) => {
    const busyPart = 0.08 + 0.33 * random.next()
    const cv = 2 * (rank < tenants / 4 ? 2 : 6) ** random.next()
    return tenantTape(random, `a${rank}`, (rate * share) / sum / busyPart, busyPart, cv, seconds)
  })
  return tape.sort((left, right) => left.atMs - right.atMs)
}

function tenantTape(
  random: Random,
  adapter: string,
  rate: number,
  busyPart: number,
  cv: number,
  seconds: number,
): TapeRequest[] {
  const tape: TapeRequest[] = []
  // Windows of different tenants do not begin together.
  for (let from = -windowSeconds * random.next(); from < seconds; from += windowSeconds) {
    if (random.next() > busyPart) {
      continue
    }
    for (let second = from; ;) {
      second += gamma(random, cv) / rate
      if (second >= Math.min(seconds, from + windowSeconds)) {
        break
      }
      if (second >= 0) {
        tape.push({
          atMs: second * 1000,
          tenant: adapter,
          adapter,
          inputTokens: lengthOf(random, 1155, 0.96),
          outputTokens: lengthOf(random, 211, 0.77),
          blocks: [],
        })
      }
    }
  }
  return tape
}
