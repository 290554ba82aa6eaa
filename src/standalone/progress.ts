import type { LoraAdapterStatus } from '../api/condition.ts'
import { modelNameOf } from '../api/lora-adapter.ts'
import { comingReasons } from '../core/resolve.ts'
import type { Standalone } from './standalone.ts'

/** One adapter, as the table at the end of a start shows it. */
export interface AdapterLine {
  readonly tenant: string
  readonly model: string
  readonly adapter: string
  readonly ready: boolean
  readonly settled: boolean
  readonly words: string
}

/** How far every adapter is; `settled` is ready, or refused for a reason that waiting does not change. */
export function adapterLines(standalone: Standalone): readonly AdapterLine[] {
  const { snapshot } = standalone.source.current()
  return [...snapshot.adapters].map(([key, adapter]) => {
    const status = standalone.source.status('LoraAdapter', key)
    const ready = readyOf(status)
    return {
      tenant: adapter.metadata.namespace,
      model: modelNameOf(adapter),
      adapter: key,
      ready: ready?.status === 'True',
      settled:
        ready?.status === 'True' || (ready !== undefined && !comingReasons.has(ready.reason)),
      words:
        ready === undefined
          ? 'Pending'
          : ready.status === 'True'
            ? ready.reason
            : `${ready.reason}: ${ready.message}`,
    }
  })
}

function readyOf(status: LoraAdapterStatus | undefined) {
  return status?.conditions.find((condition) => condition.type === 'Ready')
}

/** What each engine is doing, for whoever waits for it. */
export function engineLines(standalone: Standalone): readonly string[] {
  return standalone.replicas.states().map(({ name, ready, replica, detail }) => {
    const { state } = replica.engine
    switch (state.state) {
      case 'Starting':
      case 'Restarting':
        return `engine ${name}: ${state.detail}`
      case 'Failed':
        return `engine ${name} failed: ${state.message}`
      case 'Stopped':
        return `engine ${name} is stopped`
      case 'Ready':
        return `engine ${name}: ${ready ? 'ready' : detail}`
      default:
        return state satisfies never
    }
  })
}
