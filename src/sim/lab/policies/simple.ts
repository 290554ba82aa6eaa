import type { LabReplica } from '../lab-replica.ts'
import type { RoutePolicy, RouteView } from '../policy.ts'
import { leastBusy, sendTo } from './choose.ts'

function any({ replicas, random }: RouteView): LabReplica | undefined {
  return replicas[Math.floor(random.next() * replicas.length)]
}

export function randomPolicy(): RoutePolicy {
  return {
    name: 'random',
    source: 'the plainest rule; kube-proxy with iptables',
    isPlanned: false,
    route: (_request, view) => sendTo(any(view)),
  }
}

export function roundRobin(): RoutePolicy {
  let next = 0
  return {
    name: 'round-robin',
    source: 'kube-proxy with IPVS; vLLM production-stack, roundrobin',
    isPlanned: false,
    route: (_request, { replicas }) => sendTo(replicas[next++ % replicas.length]),
  }
}

export function leastRequests(): RoutePolicy {
  return {
    name: 'least-requests',
    source:
      'AIBrix, pkg/plugins/gateway/algorithms/least_request.go: live count of all gateways, any of equals; KubeAI LeastLoad',
    isPlanned: false,
    route: (_request, { replicas, random }) => sendTo(leastBusy(replicas, random)),
  }
}

export function powerOfTwo(): RoutePolicy {
  return {
    name: 'power-of-two',
    source: 'M. Mitzenmacher, The Power of Two Choices, 2001',
    isPlanned: false,
    route: (_request, view) => {
      const [left, right] = [any(view), any(view)]
      return sendTo(
        left !== undefined && right !== undefined && right.inFlight < left.inFlight ? right : left,
      )
    },
  }
}
