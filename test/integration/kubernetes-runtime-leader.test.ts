// Leadership by Lease on a real API server: hand-over, crash, and a leader that freezes and comes back.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KubeApiError } from '../../src/resources/kubernetes/kube-api-error.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import {
  createLeaderElection,
  type LeaderElection,
  type LeaderElectionOptions,
} from '../../src/resources/kubernetes/leader.ts'
import { leaseType } from '../../src/resources/kubernetes/lease.ts'
import { createReflector } from '../../src/resources/kubernetes/reflector.ts'
import { createTransport, type Transport } from '../../src/resources/kubernetes/transport.ts'
import type { KubeClient, Leadership } from '../../src/resources/kubernetes/types.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { eventually } from '../support/eventually.ts'
import { configMapType } from '../support/fault-api.ts'
import { Lateness } from '../support/lateness.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer()
const namespace = 'default'
const brief = {
  leaseDurationMs: 4_000,
  renewDeadlineMs: 2_000,
  retryPeriodMs: 300,
  writeTimeoutMs: 1_000,
}
const elections: LeaderElection[] = []
const children: ChildProcess[] = []
let transport: Transport
let client: KubeClient
/** Of its own in every attempt, as a Lease of the one before may be held. */
let lease: string

beforeAll(() => {
  transport = createTransport(clusterAccessOf(api().admin))
  client = createKubeClient({ transport, retries: 0 })
})

beforeEach(() => {
  lease = `lease-${randomUUID()}`
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
  }
  await Promise.all(elections.splice(0).map((election) => election.close()))
})

afterAll(() => transport.close())

function stand(identity: string, options: Partial<LeaderElectionOptions> = {}) {
  const terms: (Leadership & { readonly atMs: number })[] = []
  const election = createLeaderElection({
    client,
    namespace,
    name: lease,
    identity,
    onLead: (leadership) => terms.push(Object.assign(leadership, { atMs: performance.now() })),
    ...options,
  })
  elections.push(election)
  election.start()
  return { election, terms }
}

function leaderProcess(identity: string) {
  const child = spawn(
    process.execPath,
    ['test/support/leader-process.ts', api().kubeconfigPath, lease, identity],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  children.push(child)
  const said: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
  return { child, said }
}

/** Every write that the API server took, in its order. */
async function writesTo(name: string) {
  await client.create(configMapType, { metadata: { name, namespace } })
  const writes: { readonly by: string; readonly version: number }[] = []
  const fieldSelector = `metadata.name=${name}`
  const reflector = createReflector({ transport, type: configMapType, namespace, fieldSelector })
  reflector.onChange(({ after }) => {
    const by = after?.data?.['by']
    if (by !== undefined) {
      writes.push({ by, version: Number(after?.metadata.resourceVersion) })
    }
  })
  await reflector.start(new AbortController().signal)
  return { writes, close: () => reflector.close() }
}

describe('a leader', () => {
  it('hands over within 3 s when it stops', async () => {
    const first = stand('first')
    await eventually(() => first.terms).toHaveLength(1)
    // It looks often: without a release it would wait for the Lease to run out nevertheless.
    const second = stand('second', { timing: { retryPeriodMs: 300 } })
    await sleep(2_500)
    expect(second.terms).toHaveLength(0)
    expect(first.election.leadership?.term).toBe(first.terms[0]?.term)
    const sinceMs = performance.now()
    await first.election.close()
    expect(first.terms[0]?.mayWrite()).toBe(false)
    expect(first.terms[0]?.signal.aborted).toBe(true)
    await eventually(() => second.terms).toHaveLength(1)
    expect((second.terms[0]?.atMs ?? Infinity) - sinceMs).toBeLessThan(3_000)
    expect(second.terms[0]?.term).toBe((first.terms[0]?.term ?? 0) + 1)
  })

  it('is replaced within 20 s when it is killed', async () => {
    const { writes, close } = await writesTo(lease)
    const { child, said } = leaderProcess('child')
    await eventually(() => said.some((line) => line.startsWith('leads'))).toBe(true)
    const next = stand('next')
    await eventually(() => writes.length).toBeGreaterThan(10)
    child.kill('SIGKILL')
    const sinceMs = performance.now()
    await expect.poll(() => next.terms, { timeout: 25_000 }).toHaveLength(1)
    const tookMs = (next.terms[0]?.atMs ?? Infinity) - sinceMs
    expect(tookMs).toBeLessThan(20_000)
    // Not before the Lease can have run out.
    expect(tookMs).toBeGreaterThan(10_000)
    await close()
  })

  it('gets no write accepted after it was frozen and replaced', async () => {
    const { writes, close } = await writesTo(lease)
    const { child, said } = leaderProcess('child')
    await eventually(() => writes.length).toBeGreaterThan(10)
    const next = stand('next')
    await sleep(2_500)
    child.kill('SIGSTOP')
    await expect.poll(() => next.terms, { timeout: 25_000 }).toHaveLength(1)
    const fenced = createKubeClient({
      transport,
      mayWrite: () => next.terms[0]?.mayWrite() === true,
    })
    const key = { name: lease, namespace }
    const mark = await fenced.mergePatch(configMapType, key, { data: { by: 'next' } })
    child.kill('SIGCONT')
    await eventually(() => said).toContain('lost')
    await eventually(() => said).toContain('refused')
    await sleep(1_000)
    await eventually(() => writes.at(-1)?.by).toBe('next')
    const version = Number(mark.metadata.resourceVersion)
    expect(writes.filter((write) => write.by === 'child' && write.version > version)).toEqual([])
    expect(next.election.leadership?.term).toBe(next.terms[0]?.term)
    child.kill('SIGKILL')
    await close()
  })

  it('stops writing at its deadline when it cannot renew, before another may', async () => {
    let isCut = false
    const cut = (): void => {
      if (isCut) {
        throw new KubeApiError({ reason: 'Unreachable', status: 0, message: 'cut off' })
      }
    }
    const other = createKubeClient({ transport, retries: 0, beforeWrite: cut })
    const first = stand('first', { client: other, timing: brief })
    await eventually(() => first.terms).toHaveLength(1)
    const second = stand('second', { timing: brief })
    await sleep(1_000)
    using lateness = new Lateness()
    isCut = true
    let [lostAtMs, lateMs] = [0, 0]
    first.terms[0]?.signal.addEventListener('abort', () => {
      lostAtMs = performance.now()
      lateMs = lateness.reset()
    })
    const sinceMs = performance.now()
    await eventually(() => second.terms).toHaveLength(1)
    expect(lostAtMs - lateMs - sinceMs).toBeLessThan(2_500)
    const betweenMs = (second.terms[0]?.atMs ?? 0) - lostAtMs
    expect(betweenMs).toBeGreaterThan(0)
    expect(betweenMs + lateMs).toBeGreaterThan(1_000)
    expect(first.terms[0]?.mayWrite()).toBe(false)
    // It stands again, and leads when the other leaves.
    isCut = false
    await second.election.close()
    await eventually(() => first.terms).toHaveLength(2)
    expect(first.terms[1]?.term).toBeGreaterThan(second.terms[0]?.term ?? Infinity)
  })

  it('never repeats a term, whatever somebody does to the Lease', async () => {
    const first = stand('first', { timing: brief })
    await eventually(() => first.terms).toHaveLength(1)
    const key = { name: lease, namespace }
    await client.mergePatch(leaseType, key, { spec: { leaseTransitions: 1 } })
    const transitions = async () => (await client.get(leaseType, key))?.spec?.leaseTransitions
    await eventually(transitions).toBe(first.terms[0]?.term)
    await client.delete(leaseType, key)
    await eventually(() => first.terms[0]?.signal.aborted).toBe(true)
    await eventually(() => first.terms).toHaveLength(2)
    expect(first.terms[1]?.term).toBeGreaterThan(first.terms[0]?.term ?? Infinity)
    await client.mergePatch(leaseType, key, { spec: { holderIdentity: 'intruder' } })
    await eventually(() => first.terms[1]?.signal.aborted).toBe(true)
    expect(first.election.leadership).toBeUndefined()
  })
})
