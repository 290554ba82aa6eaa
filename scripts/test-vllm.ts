// `npm run test:vllm`: prepares a vLLM for CPUs in a cache folder once, then runs the suites that need it; those in a
// cluster only where a node has been prepared.
import process from 'node:process'
import { clusterVllmTier, hasNode } from './test/cluster-tier.ts'
import { runTiers } from './test/run-tiers.ts'
import { vllmTier } from './test/vllm-tier.ts'

const inCluster = hasNode()

await runTiers(
  [vllmTier('full'), ...(inCluster ? [clusterVllmTier('full')] : [])],
  process.argv.slice(2),
  inCluster
    ? []
    : [
        {
          what: 'a real vLLM in pods of a Kubernetes node of its own (as root, with what `npm run test:cluster` prepares)',
          command: 'npm run test:cluster && npm run test:vllm',
        },
      ],
)
