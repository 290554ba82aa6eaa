import { expect, test } from 'vitest'
import { anAdapter, aPool, sha256 } from '../../test/support/builders.ts'
import type { ResidencyState } from '../api/agent-protocol.ts'
import { revisionOf } from '../api/names.ts'
import { planAdapter, type AdapterPlan, type RevisionPlacement } from './adapter-plan.ts'

const digest = sha256('content')
const revision = revisionOf('models/llama', digest)

/** An adapter that answers, on replicas that have it or not. */
function plan(
  states: readonly ResidencyState['state'][],
  placement: RevisionPlacement | undefined,
): AdapterPlan {
  return planAdapter({
    adapter: anAdapter('tickets').build(),
    pool: aPool('llama').build(),
    mayAttach: true,
    nameHolder: undefined,
    intake: {
      state: 'Accepted',
      digest,
      sizeBytes: 1000,
      rank: 8,
      compatible: 'True',
      notices: [],
    },
    previous: {
      observedGeneration: 1,
      conditions: [],
      revisions: [{ revision, digest, role: 'Active' }],
      copies: { routable: 1, wanted: 1 },
    },
    replicas: states.map((state, at) => ({
      name: `r${at}`,
      ready: true,
      residencyOf: () => ({ state }) as ResidencyState,
    })),
    placementOf: () => placement,
    isAcknowledged: () => true,
    now: new Date('2026-11-20T12:00:00Z'),
  })
}

const resident = ({ status }: AdapterPlan) =>
  status.conditions.find(({ type }) => type === 'Resident')

test('an adapter is loaded where the plan of its pool says, with its files where it says', () => {
  const placement = { loadedOn: ['r2'], onDisk: ['r0'], isShort: false }
  const { wanted, status } = plan(['Absent', 'Absent', 'Absent'], placement)
  expect(wanted[0]).toMatchObject({ loadedOn: ['r2'], onDisk: ['r0'], least: 1, most: 3 })
  expect(status.copies.wanted).toBe(1)
})

test('without a plan it is loaded wherever it may be', () => {
  const { wanted } = plan(['Absent', 'Absent', 'Absent'], undefined)
  expect(wanted[0]?.loadedOn.toSorted()).toEqual(['r0', 'r1', 'r2'])
})

test('with no room for what is promised, that is what it says', () => {
  const made = plan(['Absent', 'Absent'], { loadedOn: [], onDisk: [], isShort: true })
  expect(resident(made)).toMatchObject({ status: 'False', reason: 'HostCacheFull' })
  expect(resident(made)?.message).toContain('lora.maxCpuLoras')
})

test('with more copies than are kept it says both numbers', () => {
  const made = plan(['Routable', 'Routable'], { loadedOn: ['r0'], onDisk: [], isShort: false })
  expect(resident(made)?.message).toBe('2 copies are routable, 1 are kept so.')
})
