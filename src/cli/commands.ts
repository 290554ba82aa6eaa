import type { Command } from './command.ts'
import { simulate } from './commands/simulate.ts'
import { up } from './commands/up.ts'
import { get } from './commands/get.ts'
import { keyCommands } from './commands/keys.ts'
import { check } from './commands/check.ts'

/** Every command of `loraplex`, in the order of the help. */
export const commands: readonly Command[] = [up, get, check, ...keyCommands, simulate]
