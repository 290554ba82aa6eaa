import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { hashWords } from './hash-words.ts'

/** Every adapter at the replica where its hash is greatest, whatever the load. */
export function rendezvous(): RoutePolicy {
  return {
    name: 'rendezvous',
    source:
      'D. Thaler and C. Ravishankar, 1998; NVIDIA Dynamo’s LoRA placement proposal with one copy',
    isPlanned: false,
    route: (request, { replicas }) =>
      sendTo(leastBy(replicas, ({ index }) => -hashWords(request.adapter?.id ?? 0, index))),
  }
}
