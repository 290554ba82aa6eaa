// `npm test`: what runs on this machine as it is, and what was left out with the command for it. It installs nothing
// beyond `npm ci`. LORAPLEX_TEST_TIERS prepares and runs those it names, such as `unit,vllm`, or `all`.
import process from 'node:process'
import { UserError } from '../src/errors.ts'
import { findPython } from '../test/support/python.ts'
import { apiServerPrograms, findPrograms } from '../test/support/testbed-folder.ts'
import { findHelm } from './chart/helm.ts'
import { clusterTier, clusterVllmTier } from './test/cluster-tier.ts'
import { integrationTier } from './test/integration-tier.ts'
import { runTiers, type LeftOut, type Tier } from './test/run-tiers.ts'
import { vllmTier } from './test/vllm-tier.ts'

const named = process.env['LORAPLEX_TEST_TIERS'] ?? ''
const hasIntegration = findPrograms(apiServerPrograms) !== undefined && findHelm() !== undefined

const anywhere: readonly Tier[] = [
  { project: 'unit', what: 'one part at a time' },
  {
    project: 'system',
    what: 'the whole service on the simulator, OpenAI clients, the commands of the README',
  },
]
// In the order of what they cost to prepare: what is broken shows before anything is built.
const all: readonly Tier[] = [
  ...anywhere,
  integrationTier('prepared'),
  clusterTier(),
  vllmTier('short'),
  clusterVllmTier('short'),
]

if (named === '') {
  const here = hasIntegration ? [integrationTier('as it is')] : []
  await runTiers([...anywhere, ...here], process.argv.slice(2), await leftOut())
} else {
  await runTiers(chosenTiers(), process.argv.slice(2), [])
}

function chosenTiers(): readonly Tier[] {
  if (named === 'all') {
    return all
  }
  const names = named.split(',')
  const strangers = names.filter((name) => !all.some(({ project }) => project === name))
  if (strangers.length > 0) {
    const known = all.map(({ project }) => project).join(', ')
    throw new UserError(`LORAPLEX_TEST_TIERS: no tier ${strangers.join(', ')}; there are ${known}.`)
  }
  return all.filter(({ project }) => names.includes(project))
}

async function leftOut(): Promise<readonly LeftOut[]> {
  return [
    ...((await findPython()) === undefined
      ? [
          {
            what: "OpenAI's and Anthropic's Python clients (installs them into a cache, seconds)",
            command: 'npm run test:python',
          },
        ]
      : []),
    ...(hasIntegration
      ? []
      : [
          {
            what: 'what talks to Kubernetes, on a real API server (builds it into a cache at the first run: Go, 5 minutes)',
            command: 'npm run test:integration',
          },
        ]),
    {
      what: 'the whole product on a Kubernetes node of its own (as root; builds it into a cache at the first run: Go, 15 minutes; or on the cluster of LORAPLEX_TEST_KUBECONFIG)',
      command: 'npm run test:cluster',
    },
    {
      what: 'a real vLLM on this CPU (installs it into a cache at the first run: 3 GB, minutes)',
      command: 'npm run test:vllm',
    },
  ]
}
