import type { ScalePolicy } from '../scale-policy.ts'

const everyMs = 10_000
const samples = 60
/** ceil(30 s / 10 s). */
const votes = 3

/**
 * The mean of active requests over ten minutes, by a target for each replica; fewer only after three votes in a row.
 * Its window begins with the first sample here, in place of zeros. From zero on the request's own path.
 */
export function kubeAi(targetRequests: number): ScalePolicy {
  let window: number[] = []
  let lower = 0
  return {
    name: 'kubeai',
    source:
      'KubeAI, internal/modelautoscaler: interval 10 s, timeWindow 10 min, scaleDownDelay 30 s',
    everyMs,
    wakeMs: 0,
    decide({ waiting, running, ordered }) {
      const active = waiting + running
      window = [...(window.length === 0 ? Array.from({ length: samples }, () => active) : window)]
      window = [...window.slice(1), active]
      const mean = window.reduce((sum, value) => sum + value, 0) / samples
      const wanted = Math.max(Math.ceil(mean / targetRequests), ordered === 0 && active > 0 ? 1 : 0)
      lower = wanted < ordered ? lower + 1 : 0
      return wanted < ordered && lower < votes ? ordered : wanted
    },
  }
}
