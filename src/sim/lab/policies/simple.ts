import type { LabReplica } from '../lab-replica.ts'
import { send, wait, type RoutePolicy, type RouteView } from '../policy.ts'

function any({ replicas, random }: RouteView): LabReplica | undefined {
  return replicas[Math.floor(random.next() * replicas.length)]
}

function least(
  replicas: readonly LabReplica[],
  of: (replica: LabReplica) => number,
): LabReplica | undefined {
  let best: LabReplica | undefined
  let bestValue = Infinity
  for (const replica of replicas) {
    const value = of(replica)
    if (value < bestValue) {
      best = replica
      bestValue = value
    }
  }
  return best
}

function to(replica: LabReplica | undefined): ReturnType<RoutePolicy['route']> {
  return replica === undefined ? wait : send(replica)
}

export function randomPolicy(): RoutePolicy {
  return {
    name: 'random',
    source: 'the plainest rule; kube-proxy with iptables',
    isPlanned: false,
    route: (_request, view) => to(any(view)),
  }
}

export function roundRobin(): RoutePolicy {
  let next = 0
  return {
    name: 'round-robin',
    source: 'kube-proxy with IPVS; vLLM production-stack, roundrobin',
    isPlanned: false,
    route: (_request, { replicas }) => to(replicas[next++ % replicas.length]),
  }
}

export function leastRequests(): RoutePolicy {
  return {
    name: 'least-requests',
    source: 'AIBrix least-request; KubeAI LeastLoad',
    isPlanned: false,
    route: (_request, { replicas }) => to(least(replicas, ({ inFlight }) => inFlight)),
  }
}

export function powerOfTwo(): RoutePolicy {
  return {
    name: 'power-of-two',
    source: 'M. Mitzenmacher, The Power of Two Choices, 2001',
    isPlanned: false,
    route: (_request, view) => {
      const [left, right] = [any(view), any(view)]
      return to(left !== undefined && right !== undefined && right.inFlight < left.inFlight ? right : left)
    },
  }
}

export { least, to }
