import type { Tape } from '../tape.ts'
import { burstyTenantsTape } from './bursty-tenants.ts'
import { modulatedTape } from './modulated.ts'

export interface ScalingTape {
  readonly name: string
  readonly words: string
  readonly tape: Tape
  /** When the load jumps, in seconds; for how fast that is answered. */
  readonly jumpAt?: number
}

/** Requests a second of the low level: about one and a half replicas of an 8B model on an H100. */
const low = 14

/** The tapes on which scaling rules are compared. `part` shortens them, 1 is whole. */
export function scalingTapes(seed: number, part = 1): readonly ScalingTape[] {
  return [
    step(seed, part),
    sawtooth(seed + 1, part),
    ramp(seed + 2, part),
    flashCrowd(seed + 3, part),
    {
      name: 'bursty tenants',
      words: '40 tenants, busy in 8–41 % of ten-minute windows, CV 2–12',
      tape: burstyTenantsTape({ tenants: 40, rate: 30, seconds: 4200 * part, seed: seed + 4 }),
    },
    fromZero(seed + 5),
  ]
}

function step(seed: number, part: number): ScalingTape {
  const jumpAt = 600
  const downAt = jumpAt + 2400 * part
  return {
    name: 'step × 4',
    words: '14 requests a second, 56 after ten minutes, 14 again',
    tape: modulatedTape({
      rateAt: (second) => (second < jumpAt || second >= downAt ? low : 4 * low),
      peakRate: 4 * low,
      seconds: downAt + 600,
      seed,
    }),
    jumpAt,
  }
}

function sawtooth(seed: number, part: number): ScalingTape {
  const period = 600
  return {
    name: 'sawtooth',
    words: '14 to 56 requests a second in ten minutes, then back at once',
    tape: modulatedTape({
      rateAt: (second) => low * (1 + (3 * (second % period)) / period),
      peakRate: 4 * low,
      seconds: period * Math.max(3, Math.round(6 * part)),
      seed,
    }),
  }
}

function ramp(seed: number, part: number): ScalingTape {
  const seconds = 7200 * part
  return {
    name: 'ramp of 2 h',
    words: 'half a sine from 10 to 56 requests a second and back',
    tape: modulatedTape({
      rateAt: (second) => 10 + 46 * Math.sin((Math.PI * second) / seconds),
      peakRate: 56,
      seconds,
      seed,
    }),
  }
}

function flashCrowd(seed: number, part: number): ScalingTape {
  const jumpAt = 600
  const rateAt = (second: number): number => {
    const since = second - jumpAt
    if (since < 300) {
      return low * (1 + 4 * Math.min(1, Math.max(0, since / 2)))
    }
    return low * (1 + 4 * Math.exp(-(since - 300) / 300))
  }
  return {
    name: 'flash crowd',
    words: '14 requests a second, 70 within two seconds, for five minutes, then fading',
    tape: modulatedTape({ rateAt, peakRate: 5 * low, seconds: 1500 + 2100 * part, seed }),
    jumpAt,
  }
}

function fromZero(seed: number): ScalingTape {
  const jumpAt = 30
  return {
    name: 'from zero',
    words: 'nothing, then 30 requests a second for 20 minutes',
    tape: modulatedTape({
      rateAt: (second) => (second < jumpAt ? 0 : 30),
      peakRate: 30,
      seconds: 1230,
      seed,
    }),
    jumpAt,
  }
}
