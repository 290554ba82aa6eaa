import { createHash } from 'node:crypto'

/**
 * Path of the engine container's preStop hook on its agent. It stands in the pod's spec, which more people may read
 * than Secrets: whoever knows it can drain this pool's replicas, and nothing else.
 */
export function preStopPath(agentToken: string): string {
  const word = createHash('sha256').update(`pre-stop\0${agentToken}`).digest('base64url')
  return `/prestop/${word.slice(0, 32)}`
}
