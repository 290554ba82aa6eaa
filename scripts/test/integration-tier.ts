import { prepareIntegration } from '../testbed/prepare.ts'
import type { Tier } from './run-tiers.ts'

/** What talks to Kubernetes, on a real API server. Prepared only where somebody asked for it. */
export function integrationTier(asPrepared: 'as it is' | 'prepared'): Tier {
  return {
    project: 'integration',
    what: 'the parts that talk to Kubernetes, on a real API server',
    ...(asPrepared === 'prepared' ? { prepare: prepareIntegration } : {}),
  }
}
