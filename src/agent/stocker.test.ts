import { expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import type { FetchOutcome, StoredAdapter } from '../artifacts/types.ts'
import type { AdapterShelf } from './options.ts'

/** A shelf that is empty until a test lets something arrive. */
class SlowShelf implements AdapterShelf {
  readonly here = new Map<string, StoredAdapter>()
  readonly calls: string[] = []
  readonly #open = new Map<string, (outcome: FetchOutcome) => void>()

  get(digest: string): Promise<StoredAdapter | undefined> {
    return Promise.resolve(this.here.get(digest))
  }

  fetch(digest: string, signal: AbortSignal): Promise<FetchOutcome> {
    this.calls.push(digest)
    return new Promise((resolve, reject) => {
      this.#open.set(digest, resolve)
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }

  async arrives(adapter: StoredAdapter): Promise<void> {
    await this.#settle(adapter.digest, { outcome: 'Stored', adapter })
    this.here.set(adapter.digest, adapter)
  }

  fails({ digest }: StoredAdapter): Promise<void> {
    const problem = { reason: 'SourceUnreachable', message: 'The depot does not answer.' }
    return this.#settle(digest, { outcome: 'Failed', problem })
  }

  async #settle(digest: string, outcome: FetchOutcome): Promise<void> {
    await vi.waitFor(() => expect(this.#open.has(digest)).toBe(true), patience)
    this.#open.get(digest)?.(outcome)
    this.#open.delete(digest)
  }
}

async function bench() {
  const shelf = new SlowShelf()
  const it = await AgentBench.create({ agent: { adapters: shelf, times: { firstRetryMs: 20 } } })
  await it.start()
  return { shelf, it }
}

test('what is on its way holds nothing else up, and is loaded when it is here', async () => {
  const { shelf, it } = await bench()
  await using _ = it
  const slow = await it.write(1)
  const fast = await it.write(2)
  const both = [slow, fast]
  const [slowRevision = '', fastRevision = ''] = await it.want(both)
  await it.want(both)
  await shelf.arrives(fast)
  await it.become([fastRevision], 'Routable')
  expect(it.stateOf(slowRevision)).toBe('Absent')
  await shelf.arrives(slow)
  await it.become([slowRevision], 'Routable')
  // Two catalogues named them, and each came once.
  expect(shelf.calls.toSorted()).toEqual(both.map(({ digest }) => digest).toSorted())
})

test('a depot that is away is said, and asked again', async () => {
  const { shelf, it } = await bench()
  await using _ = it
  const adapter = await it.write(1)
  const revisions = await it.want([adapter])
  await shelf.fails(adapter)
  await it.become(revisions, 'SourceUnreachable')
  await shelf.arrives(adapter)
  await it.become(revisions, 'Routable')
})

test('what is merely allowed comes with the first request for it', async () => {
  const { shelf, it } = await bench()
  await using _ = it
  const adapter = await it.write(1)
  const [revision = ''] = await it.want([adapter], 'Allowed')
  const other = await it.write(2)
  await it.agent.setDesired({
    term: 2,
    sequence: 1,
    entries: [entryOf(adapter, 'Allowed'), entryOf(other, 'OnDisk')],
  })
  await shelf.arrives(other)
  expect(shelf.calls).toEqual([other.digest])
  expect(await it.agent.ensure(revision)).toMatchObject({ state: 'Loading' })
  await shelf.arrives(adapter)
  await it.become([revision], 'Routable')
})
