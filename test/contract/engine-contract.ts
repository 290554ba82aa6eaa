import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ask } from './ask.ts'
import type { Answer } from './ask.ts'
import {
  describeDeath,
  describeDrain,
  describeLifeOfRequests,
  describeMetrics,
  describeSlots,
  describeStreams,
} from './engine-behaviour.ts'
import type { Implementation } from './implementations.ts'
import { normalise } from './normalise.ts'
import { running, withClient } from './running.ts'
import type { Running } from './running.ts'
import {
  base,
  embedOptions,
  fixtures,
  good,
  mainOptions,
  notCompared,
  plainOptions,
  samplesFolder,
  toolOptions,
} from './sample-requests.ts'
import type { Ask } from './sample-requests.ts'
import { embeddings, routes, tools } from './route-tables.ts'
import {
  beforeLoads,
  chats,
  completions,
  dangerous,
  errors,
  loads,
  plainFlags,
} from './sample-tables.ts'

/** Everything that Loraplex relies on in a vLLM, asked of one implementation. The samples are what vLLM 0.32 answered. */
export function describeEngineContract(implementation: Implementation): void {
  describe(`${implementation.name}, launched as Loraplex launches it`, () => {
    // Time to drain for all that is asked meanwhile, on a slow machine too.
    const engine = running(implementation, { ...mainOptions, drainSeconds: 20 })
    describeSamples('before-loads', beforeLoads, engine)
    describeSamples('loads', loads, engine)
    describeSamples('chat', chats, engine)
    describeSamples('completions-and-others', completions, engine)
    describeSamples('errors', errors, engine)
    describeSamples('routes', routes, engine)
    describeClient(engine)
    describeStreams(engine)
    describeLifeOfRequests(engine)
    describeSlots(engine)
    describeMetrics(engine)
    // Last: what these adapters leave in recycled KV blocks spoils other answers.
    describeSamples('dangerous', dangerous, engine)
    describeDrain(engine)
  })

  describe(`${implementation.name} with a parser of tool calls`, () => {
    const engine = running(implementation, toolOptions)
    describeSamples('tools', tools, engine)
  })

  describe(`${implementation.name}, launched for embeddings`, () => {
    const engine = running(implementation, embedOptions)
    // First: what a broken adapter leaves behind spoils other answers.
    describeEmbeddingCanary(engine)
    describeSamples('embeddings', embeddings, engine)
  })

  describe(`${implementation.name} with its own defaults`, () => {
    const engine = running(implementation, plainOptions)
    describeSamples('plain-flags', plainFlags, engine)
  })

  describe(`${implementation.name} with a host cache smaller than what is registered`, () => {
    describeDeath(running(implementation, { ...mainOptions, maxCpuLoras: 2 }))
  })
}

interface Recorded {
  readonly name: string
  readonly response: Answer
}

function recorded(file: string): readonly Recorded[] {
  return JSON.parse(readFileSync(join(samplesFolder, `${file}.json`), 'utf8')) as Recorded[]
}

/** Asks what the sample asked, and wants its answer but for what no two engines share. */
function describeSamples(file: string, asks: Readonly<Record<string, Ask>>, engine: Running): void {
  describe(`answers as recorded in ${file}.json`, () => {
    const samples = new Map(recorded(file).map((sample) => [sample.name, sample]))
    it.each(Object.entries(asks))('%s', async (name, what) => {
      const answer = await ask(engine(), what)
      const sample = samples.get(name)
      expect(sample, 'no such sample: record again').toBeDefined()
      if (!notCompared.has(name)) {
        const { response } = sample!
        const body = answer.body.replaceAll(fixtures, '/fixtures')
        expect(normalise(withoutPaths({ ...answer, body }))).toEqual(
          normalise(withoutPaths(response)),
        )
      }
    })
  })
}

/** In errors both engines hide paths below some roots: it depends on where the checkout lies. */
function withoutPaths(response: Recorded['response']): Recorded['response'] {
  return response.status < 400
    ? response
    : { ...response, body: response.body.replaceAll(/\/fixtures[\w./-]*/g, '<path>') }
}

const canary = (model: string) => ({
  model,
  prompt: 'The quick brown fox',
  tokens: 3,
  logprobs: 5,
  cacheSalt: 'c2FsdA',
})

function largestDifference(
  a: readonly ReadonlyMap<string, number>[],
  b: readonly ReadonlyMap<string, number>[],
): number {
  const differences = a.flatMap((position, index) =>
    [...position].map(([token, logprob]) => Math.abs(logprob - (b[index]?.get(token) ?? -100))),
  )
  return Math.max(...differences)
}

function describeClient(engine: Running): void {
  describe('is understood by our client', () => {
    it('names its version, its base and its adapters', () =>
      withClient(engine, async (client) => {
        expect(await client.version()).toMatch(/^0\.32/)
        const models = await client.models()
        expect(models.find((model) => model.id === base)).toEqual({
          id: base,
          root: join(fixtures, 'tiny-llama'),
          parent: undefined,
          maxModelLen: 512,
          ownedBy: expect.any(String) as string,
        })
        expect(models.find((model) => model.id === 'globex')).toEqual({
          id: 'globex',
          root: good('globex-shout'),
          parent: base,
          maxModelLen: undefined,
          ownedBy: expect.any(String) as string,
        })
      }))

    it('loads, loads again, unloads, unloads again', () =>
      withClient(engine, async (client) => {
        const path = good('acme-tickets')
        expect(await client.load('once', path)).toEqual({ outcome: 'Loaded' })
        expect(await client.load('once', path)).toEqual({ outcome: 'AlreadyLoaded' })
        expect(await client.unload('once')).toEqual({ outcome: 'Unloaded' })
        expect(await client.unload('once')).toEqual({ outcome: 'NotLoaded' })
      }))

    it.each([
      ['rank-too-large', 'RankTooLarge'],
      ['dora', 'UnsupportedFeature'],
      ['saves-modules', 'UnsupportedFeature'],
      ['no-target-modules', 'ConfigIncomplete'],
      ['truncated', 'WeightsUnreadable'],
      ['header-bomb', 'WeightsUnreadable'],
      ['no-weights', 'WeightsMissing'],
    ])('refuses %s for good: %s', (name, reason) =>
      withClient(engine, async (client) => {
        const path = join(fixtures, 'adapters-broken', name)
        expect(await client.load(`bad-${name}`, path)).toMatchObject({ outcome: 'Refused', reason })
      }),
    )

    it('answers a canary: a good adapter differs from the base, one without effect does not', () =>
      withClient(engine, async (client) => {
        const answer = async (model: string) => {
          const outcome = await client.complete(canary(model))
          expect(outcome.outcome).toBe('Answered')
          return outcome.outcome === 'Answered' ? outcome.answer.positions : []
        }
        const fromBase = await answer(base)
        expect(fromBase).toHaveLength(3)
        expect(fromBase.every((position) => position.size >= 5)).toBe(true)
        expect([...fromBase[0]!.keys()].every((token) => /^token_id:\d+$/.test(token))).toBe(true)
        expect(largestDifference(fromBase, await answer(base))).toBeLessThan(1e-4)
        expect(largestDifference(fromBase, await answer('globex'))).toBeGreaterThan(1e-2)
        expect(largestDifference(fromBase, await answer('no-effect'))).toBeLessThan(1e-4)
        expect(largestDifference(fromBase, await answer('zero-weights'))).toBeLessThan(1e-4)
      }))

    it('says that a canary’s model is unknown', () =>
      withClient(engine, async (client) => {
        expect(await client.complete(canary('nobody'))).toMatchObject({
          outcome: 'Failed',
          status: 404,
        })
      }))
  })
}

function describeEmbeddingCanary(engine: Running): void {
  it('is understood by our client: embeddings tell adapters from the base', () =>
    withClient(engine, async (client) => {
      await client.load('no-effect', join(fixtures, 'adapters-broken', 'no-effect'))
      await client.load('shout', good('globex-shout'))
      const answer = async (model: string) => {
        const outcome = await client.complete(canary(model))
        expect(outcome.outcome).toBe('Answered')
        return outcome.outcome === 'Answered' ? outcome.answer.positions : []
      }
      const fromBase = await answer(base)
      expect(fromBase).toHaveLength(1)
      expect(largestDifference(fromBase, await answer(base))).toBeLessThan(1e-3)
      expect(largestDifference(fromBase, await answer('shout'))).toBeGreaterThan(0.1)
      expect(largestDifference(fromBase, await answer('no-effect'))).toBeLessThan(1e-3)
      expect(await client.complete(canary('nobody'))).toMatchObject({ outcome: 'Failed' })
    }))
}
