// `npm run test:vllm`: prepares a vLLM for CPUs in a cache folder once, then runs the suites that need it.
import process from 'node:process'
import { runTiers } from './test/run-tiers.ts'
import { vllmTier } from './test/vllm-tier.ts'

await runTiers([vllmTier('full')], process.argv.slice(2), [])
