import { expect, it } from 'vitest'
import { aFleet, aRequest, aView } from '../../../test/support/lab-fleet.ts'
import { ablationNames, policyNamed, policyNames } from './policy-names.ts'

const context = {
  costs: { stepMs: 10, perRequestMs: 1, perAdapterMs: 1, perPromptTokenMs: 1, loadMs: 1 },
  objective: { ttftMs: 1000, tpotMs: 50 },
  kvTokens: 10_000,
}

it.each([...policyNames, ...ablationNames])(
  '%s is called so, says where it comes from, and routes',
  (name) => {
    const policy = policyNamed(name, context)
    expect(policy?.name).toBe(name)
    expect(policy?.source).not.toBe('')
    const view = aView(aFleet(3))
    policy?.plan?.(view)
    for (const adapter of [0, 1, 2]) {
      const { choice } = policy?.route(aRequest({ adapter }), view) ?? { choice: undefined }
      // Who plans where adapters belong loads one before it sends there.
      expect(policy?.isPlanned === true ? ['Load', 'Send'] : ['Send']).toContain(choice)
    }
  },
)

it('a rule is made afresh each time, as it has a memory', () => {
  expect(policyNamed('round-robin', context)).not.toBe(policyNamed('round-robin', context))
  expect(policyNamed('no-such-rule', context)).toBeUndefined()
})
