import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { createEngineClient } from '../../src/engine/http-client.ts'
import type { EngineClient } from '../../src/engine/types.ts'
import type { ContractEngine, ContractOptions, Implementation } from './implementations.ts'

/** The engine of this describe; only inside a test. */
export type Running = () => ContractEngine

/** A busy machine has been seen to take six minutes for what an idle one does in half of one. */
const startMs = 900_000

const spent = new WeakSet<ContractEngine>()

/** Started once for all tests of the describe it is called in, and again behind one that was to end it and failed. */
export function running(implementation: Implementation, options: ContractOptions): Running {
  let engine: ContractEngine | undefined
  const start = async (): Promise<void> => {
    if (engine === undefined || spent.has(engine)) {
      engine = await implementation.start(options)
    }
  }
  beforeAll(start, startMs)
  beforeEach(start, startMs)
  afterAll(async () => {
    if (engine !== undefined && !spent.has(engine)) {
      await engine.stop()
    }
  })
  return () => engine!
}

/** What a test may take that ends its engine; less than vitest's own limit for it, which would leave no time for more. */
const endingMs = 120_000
export const endingTestMs = endingMs + 30_000

/** A test that ends its engine: should it fail, another try has another one. */
export function ending(engine: Running, test: () => Promise<void>): () => Promise<void> {
  return async () => {
    const overdue = delay(endingMs, undefined, { ref: false }).then(() => {
      throw new Error(`not over after ${endingMs} ms`)
    })
    try {
      await Promise.race([test(), overdue])
    } catch (error) {
      spent.add(engine())
      await engine().stop()
      throw error
    }
  }
}

export async function withClient<T>(
  engine: Running,
  use: (client: EngineClient) => Promise<T>,
): Promise<T> {
  const { url, apiKey } = engine()
  const client = createEngineClient({ url, apiKey })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
