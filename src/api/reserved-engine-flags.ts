/** A flag of `vllm serve` that is ours, and what a user does instead (words for an error message). */
export interface ReservedFlag {
  /** As written, without the value: values may be secrets (I14). */
  readonly flag: string
  /** The index in the list that was searched. */
  readonly index: number
  /** `set lora.maxLoras` or the reason why nothing can be set. */
  readonly instead: string
}

const listens = 'the engine listens where only the agent and the gateway reach it'
const behindGateway = 'callers reach the gateway only, never the engine'
const isMetering = 'metering needs it on'
const isOneEngine = 'one engine runs on one machine; engine.parallelism sets its shape'
const leaksText = 'prompts and answers must not reach logs'
const isOperators = 'requests must not bring their own'
const isInline = 'images come inside requests; an engine fetches none'

/**
 * Flags we own, by name without dashes (vLLM 0.32: `vllm/engine/arg_utils.py`, `entrypoints/launchers/cli_args.py`).
 * `engine.args` with one of these is refused, because what relies on it would be wrong: slots, content-addressed
 * names, metering, closed routes, logs without prompts.
 */
export const reservedEngineFlags: Readonly<Record<string, string>> = {
  model: 'set model.uri',
  'model-tag': 'set model.uri',
  config: 'a file of flags could set any of ours; write the flags here',
  revision: 'set model.uri',
  'code-revision': 'set model.uri',
  tokenizer: 'the tokenizer in the folder of model.uri is used',
  'tokenizer-revision': 'the tokenizer in the folder of model.uri is used',
  'skip-tokenizer-init': 'the canary and every chat need the tokenizer',
  'hf-token': 'a secret does not belong here, and the engine downloads nothing',
  'served-model-name': 'set model.servedName',
  task: 'set model.task',
  runner: 'set model.task',
  convert: 'set model.task',
  'max-model-len': 'set model.maxModelLen',
  quantization: 'set model.quantization',
  'chat-template': 'the template in the folder of model.uri is used',
  'default-chat-template-kwargs': 'this version has no field for it',
  'enable-lora': 'LoRA is always on',
  'max-loras': 'set lora.maxLoras',
  'max-cpu-loras': 'set lora.maxCpuLoras',
  'max-lora-rank': 'set lora.maxRank',
  'lora-dtype': 'set lora.dtype',
  'lora-modules': 'apply LoraAdapter objects',
  'lora-target-modules': 'adapters outside it would silently do nothing',
  'default-mm-loras': 'apply LoraAdapter objects',
  'limit-mm-per-prompt': 'set model.inputs',
  'language-model-only': 'set model.inputs',
  'allowed-media-domains': isInline,
  'allowed-local-media-path': isInline,
  'tensor-parallel-size': 'set engine.parallelism.tensor',
  'pipeline-parallel-size': 'set engine.parallelism.pipeline',
  'data-parallel-size': 'set engine.parallelism.data',
  'data-parallel-': 'set engine.parallelism.data',
  'api-server-count': 'adapters can be loaded at run time with one API server only',
  nnodes: isOneEngine,
  'node-rank': isOneEngine,
  'master-addr': isOneEngine,
  'master-port': isOneEngine,
  headless: isOneEngine,
  host: listens,
  port: listens,
  uds: listens,
  grpc: listens,
  'grpc-port': listens,
  'api-key': 'the engine key is made for each start',
  'root-path': behindGateway,
  middleware: behindGateway,
  'ssl-': behindGateway,
  'enable-ssl-refresh': behindGateway,
  'allow-credentials': behindGateway,
  'allowed-origins': behindGateway,
  'allowed-methods': behindGateway,
  'allowed-headers': behindGateway,
  'tokens-only': behindGateway,
  'enable-scale-out': behindGateway,
  'disable-fastapi-docs': behindGateway,
  'enable-offline-docs': behindGateway,
  'enable-tokenizer-info-endpoint': 'it shows the chat template to callers',
  'shutdown-timeout': 'set maxStreamSeconds',
  'enable-force-include-usage': isMetering,
  'enable-prompt-tokens-details': isMetering,
  'disable-log-stats': 'the agent reads the metrics of the engine',
  'fingerprint-': 'the gateway writes system_fingerprint',
  'scheduling-policy': 'order and fairness are decided in the gateway',
  'trust-request-': isOperators,
  'enable-prompt-embeds': 'they crash an engine that has LoRA on',
  'enable-mm-embeds': 'they crash an engine that has LoRA on',
  'enable-log-requests': leaksText,
  'enable-log-outputs': leaksText,
  'enable-log-deltas': leaksText,
  'disable-uvicorn-access-log': 'it is always set',
  help: 'it ends the engine before it starts',
  version: 'it ends the engine before it starts',
}

/** argparse's short forms of ours; it also takes `-tp2`, `-tp=2` and a beginning such as `-t`. */
export const shortForms: Readonly<Record<string, string>> = {
  tp: 'tensor-parallel-size',
  pp: 'pipeline-parallel-size',
  dp: 'data-parallel-size',
  asc: 'api-server-count',
  q: 'quantization',
  n: 'nnodes',
  r: 'node-rank',
  h: 'help',
}

/** The flags among `args` that are ours, in their order, however they are written. */
export function findReservedFlags(args: readonly string[]): readonly ReservedFlag[] {
  return args.flatMap((arg, index) => {
    const owned = arg.startsWith('--') ? ownedLong(arg) : ownedShort(arg)
    const instead = owned === undefined ? undefined : reservedEngineFlags[owned.name]
    return owned === undefined || instead === undefined
      ? []
      : [{ flag: owned.flag.slice(0, 64), index, instead }]
  })
}

interface OwnedFlag {
  readonly flag: string
  readonly name: string
}

/** vLLM's parser takes `_` for `-` and `--flag.key value` for JSON; argparse takes any unambiguous beginning. */
function ownedLong(arg: string): OwnedFlag | undefined {
  const flag = /^--[^=.\s]*/.exec(arg)?.[0] ?? ''
  const written = flag.slice(2).replaceAll('_', '-')
  const name = written.startsWith('no-') ? written.slice('no-'.length) : written
  if (name.length < 2) {
    return undefined
  }
  const found = Object.keys(reservedEngineFlags).find(
    (owned) =>
      owned === name || (owned.endsWith('-') && name.startsWith(owned)) || owned.startsWith(name),
  )
  return found === undefined ? undefined : { flag, name: found }
}

function ownedShort(arg: string): OwnedFlag | undefined {
  const written = /^-([a-z]+)/.exec(arg)?.[1]
  const found = Object.entries(shortForms).find(
    ([short]) => written !== undefined && (written.startsWith(short) || short.startsWith(written)),
  )
  return found === undefined ? undefined : { flag: `-${found[0]}`, name: found[1] }
}
