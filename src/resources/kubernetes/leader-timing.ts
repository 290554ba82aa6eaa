import { UserError } from '../../errors.ts'

/** controller-runtime's defaults: 15, 10 and 2 seconds. */
export interface LeaderTiming {
  /** How long others leave a Lease alone that nobody renews. */
  readonly leaseDurationMs: number
  /** Without a renewal for so long, the leader writes nothing more. */
  readonly renewDeadlineMs: number
  readonly retryPeriodMs: number
  /** The longest that a write can take that was begun at the very end; see `KubeClientOptions.writeTimeoutMs`. */
  readonly writeTimeoutMs: number
}

export const defaultLeaderTiming: LeaderTiming = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
  writeTimeoutMs: 4_000,
}

/** A write that was allowed must be over before the Lease can be another's: else two may write at once. */
export function checkLeaderTiming(timing: LeaderTiming): LeaderTiming {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs, writeTimeoutMs } = timing
  if (renewDeadlineMs + writeTimeoutMs >= leaseDurationMs) {
    throw new UserError(
      `The renew deadline (${renewDeadlineMs} ms) and the time of one write (${writeTimeoutMs} ms) must together be less than the Lease's duration (${leaseDurationMs} ms); make the duration longer.`,
    )
  }
  if (retryPeriodMs * 1.2 >= renewDeadlineMs) {
    throw new UserError(
      `The renew deadline (${renewDeadlineMs} ms) must be more than 1.2 times the retry period (${retryPeriodMs} ms).`,
    )
  }
  return timing
}
