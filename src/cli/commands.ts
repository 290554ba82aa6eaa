import type { Command } from './command.ts'
import { agent } from './commands/agent.ts'
import { checkAdapter } from './commands/check-adapter.ts'
import { check } from './commands/check.ts'
import { controller } from './commands/controller.ts'
import { crds } from './commands/crds.ts'
import { depot } from './commands/depot.ts'
import { explain } from './commands/explain.ts'
import { fetchModel } from './commands/fetch-model.ts'
import { gateway } from './commands/gateway.ts'
import { get } from './commands/get.ts'
import { keyCommands } from './commands/keys.ts'
import { lab } from './commands/lab.ts'
import { rebuild } from './commands/ledger.ts'
import { plan } from './commands/plan.ts'
import { readClaim } from './commands/read-claim.ts'
import { simulate } from './commands/simulate.ts'
import { up } from './commands/up.ts'
import { usage } from './commands/usage.ts'

/** Every command of `loraplex`, in the order of the help. */
export const commands: readonly Command[] = [
  up,
  get,
  explain,
  usage,
  rebuild,
  check,
  checkAdapter,
  ...keyCommands,
  crds,
  simulate,
  lab,
  gateway,
  controller,
  plan,
  agent,
  depot,
  readClaim,
  fetchModel,
]
