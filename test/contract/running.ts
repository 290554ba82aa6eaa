import { afterAll, beforeAll } from 'vitest'
import { createEngineClient } from '../../src/engine/http-client.ts'
import type { EngineClient } from '../../src/engine/types.ts'
import type { ContractEngine, ContractOptions, Implementation } from './implementations.ts'

/** The engine of this describe; only inside a test. */
export type Running = () => ContractEngine

/** Started once for all tests of the describe it is called in. */
export function running(implementation: Implementation, options: ContractOptions): Running {
  let engine: ContractEngine | undefined
  beforeAll(async () => {
    engine = await implementation.start(options)
    // A busy machine has been seen to take six minutes for what an idle one does in half of one.
  }, 900_000)
  afterAll(async () => {
    await engine?.stop()
  })
  return () => engine!
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
