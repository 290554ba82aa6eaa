import type { Dispatcher } from 'undici'

/** An option of ours beside undici's. */
export interface GuardedOptions {
  readonly guard?: (() => void) | undefined
}

/**
 * Asks the guard when the request has its connection, in the same turn in which it is written: a process that was
 * frozen while it waited for a connection does not send what it was allowed to send before.
 */
export function guardedDispatch(dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] {
  return (options, handler) => {
    // Passed through `request` untouched.
    const { guard } = options as GuardedOptions
    return dispatch(options, guard === undefined ? handler : new GuardedHandler(handler, guard))
  }
}

type Handler = Dispatcher.DispatchHandler

class GuardedHandler implements Handler {
  readonly #inner: Handler
  readonly #guard: () => void

  constructor(inner: Handler, guard: () => void) {
    this.#inner = inner
    this.#guard = guard
  }

  onRequestStart(...args: Parameters<NonNullable<Handler['onRequestStart']>>): void {
    this.#inner.onRequestStart?.(...args)
    try {
      this.#guard()
    } catch (error) {
      args[0].abort(error as Error)
    }
  }

  onResponseStart(...args: Parameters<NonNullable<Handler['onResponseStart']>>): void {
    this.#inner.onResponseStart?.(...args)
  }

  onResponseData(...args: Parameters<NonNullable<Handler['onResponseData']>>): void {
    this.#inner.onResponseData?.(...args)
  }

  onResponseEnd(...args: Parameters<NonNullable<Handler['onResponseEnd']>>): void {
    this.#inner.onResponseEnd?.(...args)
  }

  onResponseError(...args: Parameters<NonNullable<Handler['onResponseError']>>): void {
    this.#inner.onResponseError?.(...args)
  }
}
