import type { EngineState } from './types.ts'

/** The present state of an engine and who wants to know. */
export class StateCell {
  #state: EngineState = { state: 'Stopped' }
  readonly #watchers = new Set<(state: EngineState) => void>()

  get state(): EngineState {
    return this.#state
  }

  set(state: EngineState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) {
      return
    }
    this.#state = state
    for (const watcher of this.#watchers) {
      watcher(state)
    }
  }

  watch(onState: (state: EngineState) => void): () => void {
    // Wrapped, so that one function that watches twice is called twice and unsubscribed once.
    const watcher = (state: EngineState): void => onState(state)
    this.#watchers.add(watcher)
    watcher(this.#state)
    return () => {
      this.#watchers.delete(watcher)
    }
  }
}
