import { expect, test, vi } from 'vitest'
import { request } from 'undici'
import { AgentBench, patience } from '../../../test/support/agent-bench.ts'
import { wire } from '../../../test/support/agent-wire.ts'

test('figures that anybody may read name no adapter (I7)', async () => {
  await using bench = await AgentBench.create()
  await bench.start()
  await using server = await wire(bench)
  const revisions = await bench.want(await bench.writeSome(2))
  const page = async (): Promise<string> => {
    const { body } = await request(`${server.url}/metrics`)
    return await body.text()
  }
  await vi.waitFor(
    async () => expect(await page()).toContain('loraplex_replica_adapters{state="Routable"} 2'),
    patience,
  )
  const text = await page()
  for (const revision of revisions) {
    expect(text).not.toContain(revision)
  }
  const ours = text.split('\n').filter((line) => line.startsWith('loraplex_'))
  expect(ours.length).toBeGreaterThan(10)
  const labelNames = ours.flatMap((line) =>
    [...line.matchAll(/[{,]([a-z_]+)=/g)].map(([, name]) => name),
  )
  expect(new Set(labelNames)).toEqual(new Set(['state']))
})
