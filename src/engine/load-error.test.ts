import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { classifyLoad } from './load-error.ts'

interface Sample {
  readonly name: string
  readonly response: { readonly status: number; readonly body: string }
}

const folder = join(import.meta.dirname, '..', '..', 'test', 'contract', 'samples')
const recorded = ['loads', 'errors', 'plain-flags', 'dangerous'].flatMap(
  (file) => JSON.parse(readFileSync(join(folder, `${file}.json`), 'utf8')) as readonly Sample[],
)

describe('what a real vLLM answered to a load', () => {
  it.each([
    ['load acme', 'Loaded'],
    ['load other-base', 'Loaded'],
    ['load the same name and path again', 'AlreadyLoaded'],
    ['load the same name with another path', 'AlreadyLoaded'],
    ['load under a base name', 'Refused: NameConflict'],
    ['load without a name', 'Refused: EngineRefused'],
    ['load a missing folder', 'Transient: FilesMissing'],
    ['load a folder without config', 'Transient: FilesMissing'],
    ['load rank-too-large', 'Refused: RankTooLarge'],
    ['load dora', 'Refused: UnsupportedFeature'],
    ['load saves-modules', 'Refused: UnsupportedFeature'],
    ['load no-target-modules', 'Refused: ConfigIncomplete'],
    ['load truncated', 'Refused: WeightsUnreadable'],
    ['load header-bomb', 'Refused: WeightsUnreadable'],
    ['load no-weights', 'Refused: WeightsMissing'],
    ['wrong key on load', 'Transient: WrongKey'],
    ['load with the gate off', 'Transient: RuntimeLoraDisabled'],
  ])('%s is %s', (name, want) => {
    const sample = recorded.find((one) => one.name === name)
    expect(sample).toBeDefined()
    const found = classifyLoad(sample?.response.status ?? 0, sample?.response.body ?? '')
    expect('reason' in found ? `${found.outcome}: ${found.reason}` : found.outcome).toBe(want)
  })

  it('never carries a path of the engine’s machine', () => {
    const sample = recorded.find((one) => one.name === 'load no-weights')
    const found = classifyLoad(500, sample?.response.body ?? '')
    expect(found).toMatchObject({ message: "<path> doesn't contain tensors" })
  })
})

describe('words vLLM has not said to us yet', () => {
  it('are worth another try after a 500, which may be the engine’s own trouble', () => {
    const body = JSON.stringify({ error: { message: 'flux capacitor empty' } })
    expect(classifyLoad(500, body)).toEqual({
      outcome: 'Transient',
      reason: 'EngineError',
      message: 'flux capacitor empty',
    })
    expect(classifyLoad(503, '<html>')).toMatchObject({ outcome: 'Transient' })
  })

  it('are the content’s fault after a 400, and cut to a length that fits a condition', () => {
    const body = JSON.stringify({ error: { message: 'x'.repeat(10_000) } })
    const found = classifyLoad(400, body)
    expect(found.outcome).toBe('Refused')
    expect('message' in found ? found.message.length : 0).toBeLessThan(600)
  })

  it('tell a drained engine from a bad adapter', () => {
    const body = JSON.stringify({ error: { message: 'Server shutting down' } })
    expect(classifyLoad(500, body)).toMatchObject({
      reason: 'EngineDraining',
      outcome: 'Transient',
    })
  })
})
