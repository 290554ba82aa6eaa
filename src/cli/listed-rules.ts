import { labCosts } from '../sim/lab/lab-engine.ts'
import { ablationNames, policyNamed, policyNames } from '../sim/lab/policy-names.ts'
import { leastRequests } from '../sim/lab/policies/simple.ts'
import { queueNamed, queueNames } from '../sim/lab/queue-names.ts'
import { scalerNamed, scalerNames } from '../sim/lab/scaler-names.ts'
import { scalingTerms } from '../sim/lab/scaling-terms.ts'
import type { ListedRules } from './lab-list.ts'
import { engineOf, objectiveOf, type LabOptionValues } from './lab-options.ts'
import { boundsOf, rulesOf } from './lab-rule-options.ts'

/** Every rule there is, by the name it is asked for, with where it comes from. */
export function listedRules(options: LabOptionValues): ListedRules {
  const engine = engineOf(options, 1)
  const objective = objectiveOf(options)
  const costs = labCosts(engine)
  const { kvTokens, maxNumSeqs } = engine
  const { replicas } = options
  const queueContext = {
    policy: leastRequests(),
    promptTokenMs: costs.perPromptTokenMs,
    requestsPerMinute: options['requests-per-minute'],
  }
  const bounds = boundsOf(options, replicas, rulesOf(options))
  const { context } = scalingTerms({
    tape: [],
    costs,
    objective,
    replicas,
    maxNumSeqs,
    ...bounds,
  })
  const listed = (names: readonly string[], of: (name: string) => { source: string } | undefined) =>
    names.map((name) => ({ name, source: of(name)?.source ?? '' }))
  return {
    policies: listed([...policyNames, ...ablationNames], (name) =>
      policyNamed(name, { costs, objective, kvTokens }),
    ),
    queues: listed(queueNames, (name) => queueNamed(name, queueContext)?.queue),
    scalers: listed(scalerNames, (name) => scalerNamed(name, context)),
  }
}
