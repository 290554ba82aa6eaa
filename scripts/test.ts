// `npm test`: what runs on this machine as it is, and what was left out with the command for it. It installs nothing
// beyond `npm ci`. LORAPLEX_TEST_TIERS=all, which .ci/run sets, prepares and runs everything.
import process from 'node:process'
import { findPython } from '../test/support/python.ts'
import { runTiers, type LeftOut, type Tier } from './test/run-tiers.ts'
import { vllmTier } from './test/vllm-tier.ts'

const everything = process.env['LORAPLEX_TEST_TIERS'] === 'all'

const tiers: readonly Tier[] = [
  { project: 'unit', what: 'one part at a time' },
  {
    project: 'system',
    what: 'the whole service on the simulator, OpenAI clients, the commands of the README',
  },
  ...(everything ? [vllmTier('short')] : []),
]

await runTiers(tiers, process.argv.slice(2), everything ? [] : await leftOut())

async function leftOut(): Promise<readonly LeftOut[]> {
  return [
    ...((await findPython()) === undefined
      ? [
          {
            what: "OpenAI's Python client (installs it into a cache, seconds)",
            command: 'npm run test:python',
          },
        ]
      : []),
    {
      what: 'a real vLLM on this CPU (installs it into a cache at the first run: 3 GB, minutes)',
      command: 'npm run test:vllm',
    },
  ]
}
