import { windowAt, type Window, type WindowUnit } from './window.ts'

/** `windowAt` for a hot path: the present window of each zone is worked out once. */
export class WindowCache {
  readonly #windows = new Map<string, Window>()

  at(unit: WindowUnit, timeZone: string, nowMs: number): Window {
    const name = unit === 'Minute' ? unit : `${unit} ${timeZone}`
    const known = this.#windows.get(name)
    if (known !== undefined && known.startsAtMs <= nowMs && nowMs < known.endsAtMs) {
      return known
    }
    const window = windowAt(unit, timeZone, nowMs)
    this.#windows.set(name, window)
    return window
  }
}
