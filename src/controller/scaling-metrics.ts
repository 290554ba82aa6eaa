import { Gauge, type Registry } from 'prom-client'
import type { PoolSignal } from './pool-signals.ts'

interface Column {
  readonly name: string
  readonly help: string
  readonly value: (signal: PoolSignal) => number
}

/** What the autoscaler goes by, for HPA and KEDA: from one place, so that nobody has to add up gateways. */
const columns: readonly Column[] = [
  {
    name: 'loraplex_scaling_requests_waiting',
    help: 'Requests of a pool that wait, in gateways and engines alike.',
    value: ({ waiting }) => waiting,
  },
  {
    name: 'loraplex_scaling_requests_running',
    help: 'Requests of a pool that engines work on.',
    value: ({ running }) => running,
  },
  {
    name: 'loraplex_scaling_queue_depth',
    help: 'Requests of a pool that wait for each ready replica, not for an adapter; all of them where none is ready.',
    value: ({ queueDepth }) => queueDepth,
  },
  {
    name: 'loraplex_scaling_arrivals_per_second',
    help: 'Requests of a pool that come in a second, over the last minute, without those that limits refused.',
    value: ({ arrivalsPerSecond }) => arrivalsPerSecond,
  },
  {
    name: 'loraplex_scaling_replicas_ready',
    help: 'Replicas of a pool that take requests.',
    value: ({ ready }) => ready,
  },
  {
    name: 'loraplex_scaling_replicas_desired',
    help: 'Replicas of a pool that are wanted: what `scaling`, or `replicas`, comes to.',
    value: ({ desired }) => desired,
  },
]

/** Gauges by pool, worked out at each scrape. A controller that does not lead has none: its numbers would be nobody's. */
export function addScalingMetrics(registry: Registry, signals: () => readonly PoolSignal[]): void {
  const registers = [registry]
  for (const { name, help, value } of columns) {
    void new Gauge({
      name,
      help,
      labelNames: ['pool'],
      registers,
      collect() {
        this.reset()
        for (const signal of signals()) {
          this.set({ pool: signal.poolKey }, value(signal))
        }
      },
    })
  }
  void new Gauge({
    name: 'loraplex_scaling_signal_missing',
    help: '1 while what is asked of a pool is not known, or not to be believed, by why.',
    labelNames: ['pool', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const { poolKey, trouble } of signals()) {
        if (trouble !== undefined) {
          this.set({ pool: poolKey, reason: trouble }, 1)
        }
      }
    },
  })
}
