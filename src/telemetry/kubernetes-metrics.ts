import { addGauge } from './add-gauge.ts'
import { Counter, type Registry } from 'prom-client'
import type { RequestCount } from '../resources/kubernetes/api-request.ts'

export interface KubernetesMetrics {
  readonly onRequest: (count: RequestCount) => void
  readonly onReconnect: (kind: string, reason: string) => void
  readonly onMissed: (kind: string, count: number) => void
}

/** How a process gets on with the API server. */
export function createKubernetesMetrics(
  registry: Registry,
  watchAgeSeconds: () => number,
): KubernetesMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'loraplex_kubernetes_requests_total',
    help: 'Requests to the API server; code 0 is no answer.',
    labelNames: ['verb', 'kind', 'code'],
    registers,
  })
  const reconnects = new Counter({
    name: 'loraplex_kubernetes_reconnects_total',
    help: 'Watches that began again, by why.',
    labelNames: ['kind', 'reason'],
    registers,
  })
  const missed = new Counter({
    name: 'loraplex_kubernetes_missed_objects_total',
    help: 'Objects that an audit found and a watch had not told of; must stay 0.',
    labelNames: ['kind'],
    registers,
  })
  addGauge(
    registry,
    'loraplex_kubernetes_watch_age_seconds',
    'Since the API server was heard last, for the kind that is longest silent.',
    watchAgeSeconds,
  )
  return {
    onRequest: ({ verb, kind, code }) => requests.inc({ verb, kind, code }),
    onReconnect: (kind, reason) => reconnects.inc({ kind, reason }),
    onMissed: (kind, count) => missed.inc({ kind }, count),
  }
}
