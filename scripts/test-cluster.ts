// `npm run test:cluster`: prepares a Kubernetes node and our image in a cache folder once, then runs the suites on it.
import process from 'node:process'
import { clusterTier } from './test/cluster-tier.ts'
import { runTiers } from './test/run-tiers.ts'

await runTiers([clusterTier()], process.argv.slice(2), [])
