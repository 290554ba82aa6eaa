import { UserError } from '../errors.ts'
import { instant, profileNamed, profiles, type LatencyProfile } from './profile.ts'
import type { SimulatorOptions } from './options.ts'

/** Flags of `vllm serve` that take no value; any other unknown flag may have one, which is skipped with it. */
const switches = new Set([
  'enable-lora',
  'no-enable-lora',
  'enable-force-include-usage',
  'enable-prompt-tokens-details',
  'enable-auto-tool-choice',
  'language-model-only',
  'faults',
])

interface Parsed {
  readonly words: readonly string[]
  readonly flags: ReadonlyMap<string, readonly string[]>
}

/**
 * The command line of `vllm serve MODEL …` as simulator options, so that whatever launches vLLM can launch this instead.
 * Flags that mean nothing here are ignored. Own ones: `--profile`, `--step-ms`, `--startup-ms`, `--seed`,
 * `--answer-tokens`, `--faults`. Throws UserError for a value that vLLM would not take either.
 */
export function optionsFromVllmFlags(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): SimulatorOptions {
  const { words, flags } = parse(args)
  const last = (name: string) => flags.get(name)?.at(-1)
  const whole = (name: string) => integer(name, last(name))
  const [command, ...models] = words
  const modelPath = last('model') ?? (command === 'serve' ? models[0] : command)
  const runtime = (env['VLLM_ALLOW_RUNTIME_LORA_UPDATING'] ?? '').toLowerCase()
  const options: Mutable<SimulatorOptions> = {
    host: last('host') ?? '127.0.0.1',
    port: whole('port') ?? 8000,
    enableLora: flags.has('enable-lora') && !flags.has('no-enable-lora'),
    runtimeLora: runtime === '1' || runtime === 'true',
    forceIncludeUsage: flags.has('enable-force-include-usage'),
    promptTokensDetails: flags.has('enable-prompt-tokens-details'),
    task: last('runner') === 'pooling' ? 'Embed' : 'Generate',
    takesImages: flags.has('limit-mm-per-prompt'),
    toolCalls: flags.has('tool-call-parser'),
    fingerprint: last('fingerprint-mode') !== 'none',
    faults: flags.has('faults'),
    profile: profileFrom(last('profile'), last('step-ms')),
    drainMs: (whole('shutdown-timeout') ?? 0) * 1000,
    loraModules: (flags.get('lora-modules') ?? []).map(loraModule),
  }
  const names = flags.get('served-model-name')
  return {
    ...options,
    ...defined({
      modelPath,
      servedModelNames: names,
      apiKey: last('api-key') ?? env['VLLM_API_KEY'],
      maxLoras: whole('max-loras'),
      maxCpuLoras: whole('max-cpu-loras'),
      maxRank: whole('max-lora-rank'),
      maxModelLen: whole('max-model-len'),
      maxNumSeqs: whole('max-num-seqs'),
      maxNumBatchedTokens: whole('max-num-batched-tokens'),
      maxNumQueuedReqs: whole('max-num-queued-reqs'),
      startupMs: whole('startup-ms'),
      seed: whole('seed'),
      answerTokens: whole('answer-tokens'),
    }),
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function parse(args: readonly string[]): Parsed {
  const words: string[] = []
  const flags = new Map<string, string[]>()
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (!arg.startsWith('--')) {
      words.push(arg)
      continue
    }
    const [name, value] = splitOnce(arg.slice(2).replaceAll('_', '-'), arg.slice(2))
    const values = flags.get(name) ?? []
    flags.set(name, values)
    if (value !== undefined) {
      values.push(value)
      continue
    }
    while (!switches.has(name) && i + 1 < args.length && !(args[i + 1] ?? '').startsWith('--')) {
      i += 1
      values.push(args[i] ?? '')
    }
  }
  return { words, flags }
}

/** `name=value`; underscores are dashes in the name only. */
function splitOnce(name: string, raw: string): readonly [string, string | undefined] {
  const at = raw.indexOf('=')
  return at < 0 ? [name, undefined] : [name.slice(0, at), raw.slice(at + 1)]
}

function integer(name: string, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined
  }
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) {
    throw new UserError(`--${name} takes a whole number, not '${text}'`, 2)
  }
  return value
}

function loraModule(text: string): { readonly name: string; readonly path: string } {
  if (text.startsWith('{')) {
    const { name, path } = JSON.parse(text) as { readonly name: string; readonly path: string }
    return { name, path }
  }
  const [name, path = ''] = splitOnce(text, text)
  return { name, path }
}

function profileFrom(name: string | undefined, stepMs: string | undefined): LatencyProfile {
  const profile = profileNamed(name ?? 'tiny')
  if (profile === undefined) {
    const known = profiles.map((one) => one.name).join(', ')
    throw new UserError(`there is no profile '${name ?? ''}'; profiles: ${known}`, 2)
  }
  if (stepMs === undefined) {
    return profile
  }
  const step = Number(stepMs)
  if (!(step >= 0)) {
    throw new UserError(`--step-ms takes milliseconds, not '${stepMs}'`, 2)
  }
  return { ...(name === undefined ? instant : profile), stepMs: step }
}
