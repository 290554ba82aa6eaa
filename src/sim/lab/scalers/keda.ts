import type { ScalePolicy } from '../scale-policy.ts'
import { hpa, type HpaPace } from './hpa.ts'

const oneAMinute: HpaPace = { pods: 1, part: 0, periodMs: 60_000 }

/**
 * KEDA as vLLM's production-stack sets it up: five waiting requests a pod, and running requests a pod; one more pod in
 * a minute, one fewer in a minute after 300 s.
 */
export function keda(runningTarget: number): ScalePolicy {
  return hpa({
    name: 'keda +1',
    source: 'vLLM production-stack, operator VLLMRuntime.autoscalingConfig (#903) and helm keda',
    metrics: [
      { of: ({ waiting }) => waiting, target: 5 },
      { of: ({ running }) => running, target: runningTarget },
    ],
    up: oneAMinute,
    down: oneAMinute,
  })
}
