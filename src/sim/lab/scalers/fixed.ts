import type { ScalePolicy } from '../scale-policy.ts'

/** As many as at the peak, all the time. */
export function fixed(replicas: number): ScalePolicy {
  return {
    name: 'fixed at peak',
    source: 'a Deployment without autoscaling',
    everyMs: 60_000,
    decide: () => replicas,
  }
}
