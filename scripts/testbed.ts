// `node bin/run.mjs scripts/testbed.ts [integration]` prepares what the tests on Kubernetes need, into a cache folder
// outside the checkout: an API server, or (without an argument) a whole node and our image for it.
import process from 'node:process'
import { UserError } from '../src/errors.ts'
import { testbedFolder } from '../test/support/testbed-folder.ts'
import { prepareCluster, prepareIntegration } from './testbed/prepare.ts'
import { say } from './testbed/progress.ts'

try {
  await (process.argv[2] === 'integration' ? prepareIntegration() : prepareCluster())
  process.stdout.write(`${testbedFolder()}\n`)
} catch (error) {
  if (!(error instanceof UserError)) {
    throw error
  }
  say(error.message)
  process.exitCode = error.exitCode
}
