// A real engine client with taps: a test sees each call and may act before or after it.
import { revisionOfEngineName } from '../../src/api/names.ts'
import type { CanaryRequest, EngineClient } from '../../src/engine/types.ts'

export interface Taps {
  readonly before?: (call: keyof EngineClient, name: string) => void | Promise<void>
  readonly after?: (call: keyof EngineClient, name: string) => void | Promise<void>
}

export function tapped(real: EngineClient, taps: Taps): EngineClient {
  async function around<T>(call: keyof EngineClient, name: string, run: () => Promise<T>) {
    await taps.before?.(call, name)
    try {
      return await run()
    } finally {
      await taps.after?.(call, name)
    }
  }
  return {
    address: real.address,
    version: (signal) => real.version(signal),
    models: (signal) => around('models', '', () => real.models(signal)),
    metrics: (signal) => around('metrics', '', () => real.metrics(signal)),
    load: (name, path, signal) => around('load', name, () => real.load(name, path, signal)),
    unload: (name, signal) => around('unload', name, () => real.unload(name, signal)),
    complete: (request: CanaryRequest, signal) =>
      around('complete', request.model, () => real.complete(request, signal)),
    close: () => real.close(),
  }
}

/** Counts an agent's calls to its engine, by method and revision. */
export class CallCounter {
  readonly calls: string[] = []

  readonly tap = (real: EngineClient): EngineClient =>
    tapped(real, {
      before: (call, name) => {
        this.calls.push(`${call} ${revisionOfEngineName(name) ?? ''}`.trim())
      },
    })

  of(call: keyof EngineClient, revision: string): number {
    return this.calls.filter((it) => it === `${call} ${revision}`).length
  }
}
