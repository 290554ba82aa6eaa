import type { ReplicaState } from '../../src/controller/model-pool/pool-replicas.ts'

/** A ready replica that holds nothing and takes no orders, where a test does not say otherwise. */
export function aReplicaState(
  poolKey: string,
  name: string,
  given: Partial<ReplicaState>,
): ReplicaState {
  return {
    name,
    poolKey,
    ready: true,
    session: 1,
    detail: '',
    engineVersion: '',
    simulated: true,
    residencyOf: () => ({ state: 'Absent' }),
    link: { setDesired: () => Promise.reject(new Error('not here')) },
    ...given,
  }
}
