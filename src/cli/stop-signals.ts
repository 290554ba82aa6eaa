import process from 'node:process'

export interface StopSignals {
  /** SIGTERM or SIGINT came. */
  readonly first: AbortSignal
  /** Another one: whoever waits should wait no more. */
  readonly second: AbortSignal
}

export function stopSignals(): StopSignals {
  const first = new AbortController()
  const second = new AbortController()
  const onSignal = (): void => {
    if (first.signal.aborted) {
      second.abort()
    } else {
      first.abort()
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return { first: first.signal, second: second.signal }
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true })
    }
  })
}
