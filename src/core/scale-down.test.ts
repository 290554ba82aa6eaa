import { describe, expect, test } from 'vitest'
import { planScaleDown, rehomeMs, type PodView, type ScaleDownInput } from './scale-down.ts'

const nowMs = 1_000_000

const pod = (name: string, more: Partial<PodView> = {}): PodView => ({
  name,
  isTerminating: false,
  isReady: true,
  poolRevision: 'r1',
  createdMs: 0,
  markedAtMs: undefined,
  isDraining: false,
  inFlight: 0,
  soleCopies: 0,
  soleLoad: 0,
  ...more,
})

const given = (
  pods: readonly PodView[],
  more: Partial<ScaleDownInput> & { readonly isSettled?: boolean } = {},
): ScaleDownInput => ({
  desired: pods.length - 1,
  deployment: { replicas: pods.length, poolRevision: 'r1', isSettled: more.isSettled ?? true },
  pods,
  nowMs,
  ...more,
})

const leaving = { markedAtMs: nowMs - 1000 }
const drained = { ...leaving, isDraining: true, isReady: false }

describe('from more replicas to fewer', () => {
  test.each<{ readonly name: string; readonly input: ScaleDownInput; readonly want: object }>([
    {
      name: 'the least busy is chosen',
      input: given([
        pod('a', { inFlight: 3 }),
        pod('b', { inFlight: 1 }),
        pod('c', { inFlight: 2 }),
      ]),
      want: { action: 'Mark', pod: 'b' },
    },
    {
      name: 'but rather one whose adapters others have too',
      input: given([pod('a', { inFlight: 3 }), pod('b', { inFlight: 1, soleCopies: 3 })]),
      want: { action: 'Mark', pod: 'a' },
    },
    {
      name: 'an adapter that is asked for weighs more than many that nobody calls',
      input: given([pod('a', { soleCopies: 1, soleLoad: 2 }), pod('b', { soleCopies: 20 })]),
      want: { action: 'Mark', pod: 'b' },
    },
    {
      name: 'a busy replica without sole copies may disturb more than one with a few',
      input: given([pod('a', { inFlight: 40 }), pod('b', { inFlight: 1, soleCopies: 2 })]),
      want: { action: 'Mark', pod: 'b' },
    },
    {
      name: 'and before all one that serves nothing',
      input: given([pod('a'), pod('b', { isReady: false, inFlight: 9, soleCopies: 3 })]),
      want: { action: 'Mark', pod: 'b' },
    },
    {
      name: 'of equals the youngest',
      input: given([pod('a', { createdMs: 1 }), pod('b', { createdMs: 2 })]),
      want: { action: 'Mark', pod: 'b' },
    },
    {
      name: 'one that terminates already is no choice',
      input: { ...given([pod('a'), pod('b'), pod('c', { isTerminating: true })]), desired: 1 },
      want: { action: 'Mark', pod: 'a' },
    },
    {
      name: 'the chosen one drains',
      input: given([pod('a'), pod('b', leaving)]),
      want: { action: 'Drain', pod: 'b' },
    },
    {
      name: 'once others have what only it had',
      input: given([pod('a'), pod('b', { ...leaving, soleCopies: 2 })]),
      want: { action: 'Wait', untilMs: nowMs - 1000 + rehomeMs },
    },
    {
      name: 'or not, after a while',
      input: given([pod('a'), pod('b', { markedAtMs: nowMs - rehomeMs, soleCopies: 2 })]),
      want: { action: 'Drain', pod: 'b' },
    },
    {
      name: 'the last one does not wait for others',
      input: given([pod('a', { ...leaving, soleCopies: 2 })]),
      want: { action: 'Drain', pod: 'a' },
    },
    {
      name: 'the number falls when the agent and the API server both say that it is out',
      input: given([pod('a'), pod('b', drained)]),
      want: { action: 'Shrink', to: 1 },
    },
    {
      name: 'and not before',
      input: given([pod('a'), pod('b', { ...drained, isReady: true })]),
      want: { action: 'Wait' },
    },
    {
      name: 'nor while another one that is not ready has requests: it might go instead',
      input: given([pod('a', { isReady: false, inFlight: 2 }), pod('b', drained)]),
      want: { action: 'Wait' },
    },
    {
      name: 'one that never came up needs no drain',
      input: given([pod('a'), pod('b', { ...leaving, isReady: false })]),
      want: { action: 'Shrink', to: 1 },
    },
    {
      name: 'nothing happens until the cluster has caught up',
      input: given([pod('a'), pod('b', drained)], { isSettled: false }),
      want: { action: 'Wait' },
    },
    {
      name: 'during a rollout nobody is chosen',
      input: given([pod('a'), pod('b', { poolRevision: 'r0' })]),
      want: { action: 'Wait' },
    },
    {
      name: 'and who was chosen stays',
      input: given([pod('a', drained), pod('b', { poolRevision: 'r0' })]),
      want: { action: 'Undo', pod: 'a' },
    },
    {
      name: 'another one went: ours comes back',
      input: given([pod('a', drained), pod('b')], { desired: 2 }),
      want: { action: 'Undo', pod: 'a' },
    },
    {
      name: 'of two chosen ones, one stays',
      input: given([pod('a', drained), pod('b', drained), pod('c')]),
      want: { action: 'Undo', pod: 'b' },
    },
    {
      name: 'enough is enough',
      input: given([pod('a'), pod('b')], { desired: 2 }),
      want: { action: 'Nothing' },
    },
  ])('$name', ({ input, want }) => {
    expect(planScaleDown(input)).toMatchObject(want)
  })
})
