import { Command as Commander, CommanderError, Option } from 'commander'
import { UserError } from '../errors.ts'
import {
  logFormats,
  type ArgumentSpec,
  type Command,
  type CommandIo,
  type LogFormat,
} from './command.ts'
import { environmentNameOf, resolveOption } from './parse-option.ts'

const logFormatOption = {
  type: 'string',
  choices: logFormats,
  default: 'text',
  summary: 'how logs and errors are written',
} as const

export interface ProgramOptions {
  readonly commands: readonly Command[]
  readonly version: string
  readonly io: Omit<CommandIo, 'logFormat'>
}

/**
 * Runs one command line (without `node` and the script).
 *
 * @returns the exit code: 0 done, 1 failed, 2 wrong use. Only bugs are thrown.
 */
export async function runProgram(
  argv: readonly string[],
  options: ProgramOptions,
): Promise<0 | 1 | 2> {
  let logFormat: LogFormat = 'text'
  let exitCode: 0 | 1 | 2 = 0
  const commander = buildProgram(options, async (command, args, written, globals) => {
    const resolve = (flag: string, spec: Parameters<typeof resolveOption>[1], value: unknown) =>
      resolveOption(flag, spec, value as string | boolean | undefined, options.io.env)
    const format = resolve('log-format', logFormatOption, globals['logFormat'])
    logFormat = format === 'json' ? 'json' : 'text'
    const values = Object.entries(command.options).map(([flag, spec]) => [
      flag,
      resolve(flag, spec, written[camelCase(flag)]),
    ])
    exitCode = await command.run({
      io: { ...options.io, logFormat },
      args,
      options: Object.fromEntries(values),
    })
  })
  try {
    await commander.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? 0 : 2
    }
    if (error instanceof UserError) {
      options.io.err(formatUserError(error, logFormat))
      return error.exitCode
    }
    throw error
  }
}

/** What happened, why and what to run next; one JSON line where logs are JSON. */
function formatUserError(error: UserError, logFormat: LogFormat): string {
  return logFormat === 'json'
    ? `${JSON.stringify({ level: 'error', msg: error.message })}\n`
    : `loraplex: ${error.message}\n`
}

type Runner = (
  command: Command,
  args: readonly string[],
  written: Record<string, unknown>,
  globals: Record<string, unknown>,
) => Promise<void>

function buildProgram(options: ProgramOptions, runner: Runner): Commander {
  const program = configured(new Commander('loraplex'), options.io)
    .description(
      "Serves one base model and many tenants' LoRA adapters on vLLM, each called by its name.",
    )
    .version(options.version, '-V, --version', 'print the version')
    .addOption(commanderOption('log-format', logFormatOption))
    .addHelpText(
      'after',
      '\nEvery flag is also read from LORAPLEX_<FLAG>, such as LORAPLEX_PORT.\nExit codes: 0 done, 1 failed, 2 wrong use.',
    )
  const groups = new Map<string, Commander>()
  for (const command of options.commands) {
    const words = command.name.split(' ')
    const [group, name] = words.length === 2 ? words : [undefined, command.name]
    const parent = group === undefined ? program : groupOf(program, groups, group, options)
    addCommand(
      configured(parent.command(name ?? command.name), options.io),
      command,
      () => program.opts(),
      runner,
    )
  }
  return program
}

function groupOf(
  program: Commander,
  groups: Map<string, Commander>,
  name: string,
  options: ProgramOptions,
): Commander {
  const known = groups.get(name)
  if (known !== undefined) {
    return known
  }
  const members = options.commands.filter((command) => command.name.startsWith(`${name} `))
  const verbs = members.map((command) => command.name.slice(name.length + 1)).join(', ')
  const made = configured(program.command(name), options.io).description(`${name}: ${verbs}`)
  groups.set(name, made)
  return made
}

function configured(commander: Commander, io: ProgramOptions['io']): Commander {
  return commander
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError('(--help shows what there is)')
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'loraplex: '))
      },
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
}

function addCommand(
  commander: Commander,
  command: Command,
  globals: () => Record<string, unknown>,
  runner: Runner,
): void {
  commander.description(command.summary).allowExcessArguments(false)
  for (const argument of command.args) {
    commander.argument(argumentText(argument), argument.summary, argument.default)
  }
  for (const [flag, spec] of Object.entries(command.options)) {
    commander.addOption(commanderOption(flag, spec))
  }
  if (command.details !== undefined) {
    commander.addHelpText('after', `\n${command.details}`)
  }
  commander.action(async (...parameters: unknown[]) => {
    const args = parameters
      .slice(0, command.args.length)
      .flat()
      .filter((value) => value !== undefined)
      .map(String)
    await runner(command, args, commander.opts(), globals())
  })
}

function argumentText(argument: ArgumentSpec): string {
  const name = argument.many === true ? `${argument.name}...` : argument.name
  return argument.optional === true ? `[${name}]` : `<${name}>`
}

/** Values come from us (`resolveOption`), so that the environment is checked as strictly as the command line. */
function commanderOption(flag: string, spec: Command['options'][string]): Option {
  const short = spec.short === undefined ? '' : `-${spec.short}, `
  const value = spec.type === 'boolean' ? '' : ` <${spec.placeholder ?? placeholderOf(spec)}>`
  return new Option(`${short}--${flag}${value}`, `${spec.summary}${facts(flag, spec)}`)
}

function placeholderOf(spec: Command['options'][string]): string {
  return spec.type === 'integer' ? 'number' : 'text'
}

function facts(flag: string, spec: Command['options'][string]): string {
  const choices = spec.type === 'string' ? spec.choices?.join(', ') : undefined
  const preset = spec.type === 'boolean' ? undefined : spec.default
  return [
    choices === undefined ? '' : `; one of ${choices}`,
    preset === undefined ? '' : ` (default ${preset})`,
    ` [${environmentNameOf(flag)}]`,
  ].join('')
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
