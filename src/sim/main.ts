// `node src/sim/main.ts serve MODEL …`: the simulator in place of `vllm serve`, with vLLM's own flags.
import process from 'node:process'
import { UserError } from '../errors.ts'
import { startSimulator } from './server.ts'
import { optionsFromVllmFlags } from './vllm-flags.ts'

async function main(): Promise<void> {
  const options = optionsFromVllmFlags(process.argv.slice(2), process.env)
  const simulator = await startSimulator({ ...options, onExit: () => process.exit(1) })
  process.stderr.write(`simulated vLLM (not a model) on ${simulator.url}\n`)
  const stop = (): void => {
    simulator.drain().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

main().catch((error: unknown) => {
  if (!(error instanceof UserError)) {
    throw error
  }
  process.stderr.write(`${error.message}\n`)
  process.exitCode = error.exitCode
})
