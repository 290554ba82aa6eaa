/** Where a command reads and writes; the process's own streams in `main.ts`, strings in tests. */
export interface CommandIo {
  /** Results: what somebody may pipe on. */
  readonly out: (text: string) => void
  /** Words for the person: progress, notices, what to run next. */
  readonly err: (text: string) => void
  readonly env: NodeJS.ProcessEnv
  readonly workingFolder: string
  /** `--log-format`; a command that logs follows it. */
  readonly logFormat: LogFormat
  /** Whether `err` is a terminal that wants colour (NO_COLOR honoured). */
  readonly color: boolean
}

export const logFormats = ['text', 'json'] as const
export type LogFormat = (typeof logFormats)[number]

interface OptionWords {
  readonly summary: string
  /** One letter, without the dash. */
  readonly short?: string
  /** What stands for the value in the help. */
  readonly placeholder?: string
}

/** A flag. Each also reads `LORAPLEX_<FLAG>` from the environment; the command line wins. */
export type OptionSpec = OptionWords &
  (
    | { readonly type: 'boolean' }
    | {
        readonly type: 'string'
        readonly default?: string
        readonly choices?: readonly string[]
        readonly required?: boolean
      }
    | {
        readonly type: 'integer'
        readonly minimum: number
        readonly maximum: number
        readonly default?: number
      }
  )

/** A word without a dash; `many` takes all the rest. */
export interface ArgumentSpec {
  readonly name: string
  readonly summary: string
  readonly optional?: boolean
  readonly many?: boolean
  readonly default?: string
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type ValueOf<S extends OptionSpec> = S extends { readonly type: 'boolean' }
  ? boolean
  : S extends { readonly type: 'integer' }
    ? S extends { readonly default: number }
      ? number
      : number | undefined
    :
        | ChoiceOf<S>
        | (S extends { readonly default: string } | { readonly required: true } ? never : undefined)

type ChoiceOf<S> = S extends { readonly choices: readonly (infer C)[] } ? C : string

export type OptionValues<O extends OptionSpecs> = { readonly [Name in keyof O]: ValueOf<O[Name]> }

export interface CommandInput<O extends OptionSpecs> {
  readonly io: CommandIo
  /** The words, those of a `many` argument last. */
  readonly args: readonly string[]
  readonly options: OptionValues<O>
}

/** A command as data: the help, the parser and the reference page are made from it. */
export interface Command {
  /** One word, or two for a command of a group (`keys create`). */
  readonly name: string
  readonly summary: string
  /** More words for the help: examples, what to do next. */
  readonly details?: string
  readonly args: readonly ArgumentSpec[]
  /** By flag name, in kebab-case without dashes. */
  readonly options: OptionSpecs
  /** The exit code: 0 done, 1 failed. Throws UserError for what the person has to mend. */
  readonly run: (input: {
    readonly io: CommandIo
    readonly args: readonly string[]
    readonly options: Readonly<Record<string, unknown>>
  }) => Promise<0 | 1>
}

/** Gives `run` the types of its own options. */
export function defineCommand<const O extends OptionSpecs>(
  command: Omit<Command, 'run' | 'options'> & {
    readonly options: O
    readonly run: (input: CommandInput<O>) => Promise<0 | 1>
  },
): Command {
  // The values were parsed by the same specs that gave the type.
  return { ...command, run: (input) => command.run(input as CommandInput<O>) }
}
