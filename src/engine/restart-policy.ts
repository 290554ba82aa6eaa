/** A process that was ready for this long starts with a clean record. */
export const healthyAfterMs = 60_000

/** So many lives in a row that ended before that, and the engine counts as failed. */
export const failedAfter = 5

const firstDelayMs = 500
const slowDelayMs = 60_000

/** How long to wait before the next life after `failures` short ones: doubling, and once a minute when it has failed. */
export function restartDelayMs(failures: number): number {
  return failures >= failedAfter
    ? slowDelayMs
    : Math.min(firstDelayMs * 2 ** Math.max(0, failures - 1), slowDelayMs)
}
