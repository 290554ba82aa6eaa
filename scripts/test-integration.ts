// `npm run test:integration`: prepares an API server in a cache folder once, then runs the suites that need it.
import process from 'node:process'
import { integrationTier } from './test/integration-tier.ts'
import { runTiers } from './test/run-tiers.ts'

await runTiers([integrationTier('prepared')], process.argv.slice(2), [])
