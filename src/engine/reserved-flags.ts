/** A flag of `vllm serve` that is ours, and what a user sets instead (words for an error message). */
export interface ReservedFlag {
  readonly flag: string
  readonly instead: string
}

/**
 * Flags we own, by their name without dashes. `engine.args` with one of these is refused, because the part of us that
 * relies on it would be wrong: routing on slots, the content-addressed names, metering, the closed routes.
 */
export const reservedFlags: Readonly<Record<string, string>> = {
  model: 'model.uri',
  'model-tag': 'model.uri',
  revision: 'model.uri (…@revision)',
  tokenizer: 'model.uri (its tokenizer is always the one used)',
  'served-model-name': 'model.servedName',
  task: 'model.task',
  runner: 'model.task',
  'max-model-len': 'model.maxModelLen',
  quantization: 'model.quantization',
  'chat-template': 'model.chatTemplateRef',
  'default-chat-template-kwargs': 'model.chatTemplateKwargs',
  'enable-lora': 'nothing: LoRA is always on',
  'max-loras': 'lora.maxLoras',
  'max-cpu-loras': 'lora.maxCpuLoras',
  'max-lora-rank': 'lora.maxRank',
  'lora-dtype': 'lora.dtype',
  'lora-modules': 'LoraAdapter resources',
  'lora-target-modules': 'nothing: adapters outside it would silently do nothing',
  'default-mm-loras': 'LoraAdapter resources',
  'tensor-parallel-size': 'engine.parallelism.tensor',
  'pipeline-parallel-size': 'engine.parallelism.pipeline',
  'data-parallel-size': 'engine.parallelism.data',
  'api-server-count': 'engine.parallelism.data',
  host: 'nothing: the engine listens where the agent reaches it',
  port: 'nothing: the engine listens where the agent reaches it',
  uds: 'nothing: the engine listens where the agent reaches it',
  'api-key': 'nothing: the key is made for each pool revision',
  'root-path': 'nothing: the gateway builds the paths',
  middleware: 'nothing: the gateway is what callers talk to',
  'ssl-keyfile': 'nothing: only the gateway and the agent reach the engine',
  'ssl-certfile': 'nothing: only the gateway and the agent reach the engine',
  'ssl-ca-certs': 'nothing: only the gateway and the agent reach the engine',
  'ssl-cert-reqs': 'nothing: only the gateway and the agent reach the engine',
  config: 'the fields of ModelPool',
  'enable-force-include-usage': 'nothing: metering needs it on',
  'enable-prompt-tokens-details': 'nothing: metering needs it on',
  'fingerprint-mode': 'nothing: the gateway writes system_fingerprint',
  'disable-fastapi-docs': 'nothing: always set',
  'disable-uvicorn-access-log': 'nothing: always set',
  'shutdown-timeout': 'scaling.drainTimeoutSeconds',
  'scheduling-policy': 'nothing: order is decided by the gateway',
  'disable-log-stats': 'nothing: the agent reads the engine’s metrics',
  'trust-request-chat-template': 'nothing: chat templates are the operator’s',
  'enable-prompt-embeds': 'nothing: it crashes engines with LoRA',
  'enable-tokenizer-info-endpoint': 'nothing: it shows the chat template',
  'enable-log-requests': 'nothing: prompts must not reach logs',
  'enable-log-outputs': 'nothing: answers must not reach logs',
  headless: 'engine.parallelism',
  grpc: 'nothing: the gateway speaks HTTP',
}

/** argparse's short forms. */
const shortForms: Readonly<Record<string, string>> = {
  tp: 'tensor-parallel-size',
  pp: 'pipeline-parallel-size',
  dp: 'data-parallel-size',
  asc: 'api-server-count',
  q: 'quantization',
}

const flagName = /^--?([A-Za-z0-9_.-]+?)(?:=.*)?$/s

/** The flags among `args` that are ours, in their order; as written, without the value. */
export function findReservedFlags(args: readonly string[]): readonly ReservedFlag[] {
  return args.flatMap((arg) => {
    const written = flagName.exec(arg)?.[1]
    const owner = written === undefined ? undefined : ownedName(written, arg.startsWith('--'))
    return owner === undefined ? [] : [{ flag: owner.flag, instead: owner.instead }]
  })
}

function ownedName(written: string, isLong: boolean): ReservedFlag | undefined {
  if (!isLong) {
    const long = shortForms[written] ?? gluedShortForm(written)
    return long === undefined ? undefined : row(`-${written}`, long)
  }
  // `--lora_config.max_loras` reaches the same setting by another way: the part before the dot names nothing we own.
  const name = written.replaceAll('_', '-')
  const bare = name.startsWith('no-') ? name.slice('no-'.length) : name
  const last = bare.slice(bare.lastIndexOf('.') + 1)
  return row(
    `--${written}`,
    [name, bare, last].find((known) => known in reservedFlags) ?? abbreviated(bare),
  )
}

/** argparse takes any unambiguous beginning of a flag for the flag itself. */
function abbreviated(name: string): string | undefined {
  if (name.length < 3) {
    return undefined
  }
  return Object.keys(reservedFlags).find((flag) => flag.startsWith(name))
}

function row(flag: string, owned: string | undefined): ReservedFlag | undefined {
  const instead = owned === undefined ? undefined : reservedFlags[owned]
  return instead === undefined ? undefined : { flag, instead }
}

/** `-tp2` and `-qfp8` are `-tp 2` and `-q fp8`. */
function gluedShortForm(written: string): string | undefined {
  const short = /^(tp|pp|dp|asc)\d+$/.exec(written)?.[1] ?? (/^q./.test(written) ? 'q' : undefined)
  return short === undefined ? undefined : shortForms[short]
}
