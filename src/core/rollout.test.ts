import { describe, expect, test } from 'vitest'
import { countReplicas } from './replica-count.ts'
import { chooseTemplate, judgeRollout, planRevisions, type RolloutView } from './rollout.ts'

describe('how many replicas are written', () => {
  test.each([
    ['a new pool gets what it wants', 3, undefined, 3, undefined],
    ['more at once', 5, { replicas: 2, written: '2' }, 5, undefined],
    ['never fewer: those leave one by one', 1, { replicas: 3, written: '3' }, 3, undefined],
    ['somebody else took some away', 2, { replicas: 1, written: '3' }, 3, 1],
    ['somebody else added some', 2, { replicas: 9, written: '2' }, 2, 9],
    ['a Deployment from before the note', 2, { replicas: 4, written: undefined }, 4, undefined],
  ])('%s', (_name, desired, live, replicas, foreign) => {
    expect(countReplicas(desired, live)).toEqual({ replicas, foreign })
  })
})

describe('the template of pods', () => {
  const [planned, applied] = [{ spec: { now: 1 } }, { spec: { before: 1 } }]
  const live = { poolRevision: 'r1', appliedTemplate: JSON.stringify(applied) }
  test.each([
    ['is the planned one at first', 'r1', undefined, 'WithPool', planned],
    ['stays while the revision does', 'r1', live, 'WithPool', applied],
    ['changes with the revision', 'r2', live, 'WithPool', planned],
    ['or when told to', 'r1', live, 'Now', planned],
    [
      'or when somebody wrote into the note',
      'r1',
      { ...live, appliedTemplate: '{' },
      'WithPool',
      planned,
    ],
  ] as const)('%s', (_name, revision, before, agentRollout, want) => {
    expect(chooseTemplate(planned, revision, before, agentRollout)).toEqual(want)
  })
})

test('a revision is kept while it has pods, and the present one always', () => {
  expect(planRevisions('c', ['a', 'b'], new Set(['b']))).toEqual({ keep: ['b', 'c'], drop: ['a'] })
})

describe('how far replicas are', () => {
  const view: RolloutView = {
    desired: 2,
    replicas: 2,
    updated: 2,
    ready: 2,
    hasSeenSpec: true,
    progressDeadlineExceeded: false,
    unschedulable: undefined,
    trouble: undefined,
    foreignReplicas: undefined,
    agentRollout: 'WithPool',
  }
  test.each<[string, Partial<RolloutView>, readonly string[]]>([
    ['all is well', {}, ['Progressing False Stable']],
    [
      'pods are replaced',
      { updated: 1 },
      ['Progressing True RollingOut', 'Reconciling True RollingOut'],
    ],
    [
      'the cluster has not seen the spec',
      { hasSeenSpec: false },
      ['Progressing True RollingOut', 'Reconciling True RollingOut'],
    ],
    [
      'a rollout finds no room',
      { updated: 1, unschedulable: 'no node' },
      ['Progressing True NoCapacityForSurge', 'Reconciling True NoCapacityForSurge'],
    ],
    ['more are coming', { ready: 1 }, ['Progressing True ScalingUp', 'Reconciling True ScalingUp']],
    ['one leaves: nobody has to wait for it', { desired: 1 }, ['Progressing True ScalingDown']],
    [
      'none came in time',
      { ready: 1, progressDeadlineExceeded: true },
      ['Progressing False ProgressDeadlineExceeded', 'Stalled True ProgressDeadlineExceeded'],
    ],
    [
      'somebody else scales',
      { foreignReplicas: 5 },
      ['Progressing False Stable', 'TwoScalers True ForeignWriter'],
    ],
  ])('%s', (_name, more, want) => {
    const said = judgeRollout({ ...view, ...more }).map(
      ({ type, status, reason }) => `${type} ${status} ${reason}`,
    )
    expect(said).toEqual(want)
  })
})
