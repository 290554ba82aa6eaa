import { describe, expect, test } from 'vitest'
import { EngineWindow } from './engine-window.ts'

/** Looks at an engine that runs up to `capacity`, used as far as the window lets it be. */
function look(window: EngineWindow, capacity: number, times: number): readonly number[] {
  return Array.from({ length: times }, () => {
    const used = window.limit
    window.note({ running: Math.min(used, capacity), waiting: Math.max(0, used - capacity) }, used)
    return window.limit
  })
}

describe('the window of an engine', () => {
  test('doubles while the engine takes all there is, and then stays a little above what it runs', () => {
    const window = new EngineWindow()
    expect(look(window, 200, 8)).toEqual([64, 128, 256, 256, 204, 204, 204, 204])
  })

  test('falls at once below its start where the engine is small', () => {
    expect(look(new EngineWindow(), 16, 4)).toEqual([17, 17, 17, 17])
  })

  test('follows an engine that can run more than before, as when prompts are shorter', () => {
    const window = new EngineWindow()
    look(window, 16, 4)
    const limits = look(window, 64, 20)
    expect(limits.at(-1)).toBeGreaterThanOrEqual(64)
    expect(limits.at(-1)).toBeLessThanOrEqual(72)
  })

  test('does not grow where nobody uses it, nor fall because a burst is being read', () => {
    const window = new EngineWindow()
    window.note({ running: 3, waiting: 0 }, 3)
    window.note({ running: 10, waiting: 20 }, 30)
    window.note({ running: 30, waiting: 0 }, 30)
    expect(window.limit).toBe(32)
  })

  test('is never so small that the engine idles', () => {
    const window = new EngineWindow()
    window.note({ running: 0, waiting: 30 }, 30)
    window.note({ running: 0, waiting: 30 }, 30)
    expect(window.limit).toBe(4)
  })

  test('begins anew with another process', () => {
    const window = new EngineWindow()
    look(window, 16, 4)
    window.reset()
    expect(window.limit).toBe(32)
  })
})
