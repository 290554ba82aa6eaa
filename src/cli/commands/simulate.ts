import process from 'node:process'
import { resolve } from 'node:path'
import { startSimulator } from '../../sim/server.ts'
import type { SimulatorOptions } from '../../sim/options.ts'
import { profileNamed, profiles } from '../../sim/profile.ts'
import { defineCommand } from '../command.ts'
import { portOption } from '../process-options.ts'

const profileNames = profiles.map((profile) => profile.name)

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'Run the vLLM simulator on a port',
  details:
    "Speaks vLLM's routes, loads real adapter files with vLLM's words, schedules as vLLM does, and makes its answers up.\nLoad adapters with POST /v1/load_lora_adapter; `--faults` opens POST /simulator/faults.",
  args: [{ name: 'model', summary: 'Folder with a config.json, or any name', optional: true }],
  options: {
    host: { type: 'string', summary: 'Address to listen on', default: '127.0.0.1' },
    port: { ...portOption, summary: 'Port to listen on; 0 takes any free one', default: 8000 },
    'served-model-name': { type: 'string', summary: 'What the base is called; default: the model' },
    'api-key': { type: 'string', summary: 'Asked for under /v1; default: none' },
    'max-loras': { type: 'integer', summary: 'GPU slots', minimum: 1, maximum: 4096, default: 4 },
    'max-cpu-loras': {
      type: 'integer',
      summary: 'Adapters in host memory; default: as many as slots',
      minimum: 1,
      maximum: 100_000,
    },
    'max-lora-rank': {
      type: 'integer',
      summary: 'Largest rank',
      minimum: 1,
      maximum: 512,
      default: 64,
    },
    'max-model-len': {
      type: 'integer',
      summary: "Context length; default: the model's",
      minimum: 1,
      maximum: 10_000_000,
    },
    images: { type: 'boolean', summary: 'The base reads images, too' },
    profile: {
      type: 'string',
      summary: 'How long things take',
      choices: profileNames,
      default: 'tiny',
    },
    'startup-ms': {
      type: 'integer',
      summary: 'Until the port opens',
      minimum: 0,
      maximum: 3_600_000,
      default: 0,
    },
    seed: {
      type: 'integer',
      summary: 'Seeds the noise of log probabilities',
      minimum: 0,
      maximum: 4_294_967_295,
      default: 0,
    },
    faults: { type: 'boolean', summary: 'Open the route that makes things go wrong' },
  },
  run: async ({ io, args, options }) => {
    const model = args[0]
    const exited = Promise.withResolvers<0 | 1>()
    const settings: SimulatorOptions = {
      ...(model === undefined ? {} : { modelPath: resolveModel(io.workingFolder, model) }),
      servedModelNames: [options['served-model-name'] ?? model ?? 'simulated'],
      host: options.host,
      port: options.port,
      maxLoras: options['max-loras'],
      maxRank: options['max-lora-rank'],
      startupMs: options['startup-ms'],
      seed: options.seed,
      faults: options.faults,
      takesImages: options.images,
      ...given('apiKey', options['api-key']),
      ...given('maxCpuLoras', options['max-cpu-loras']),
      ...given('maxModelLen', options['max-model-len']),
      ...given('profile', profileNamed(options.profile)),
      onExit: () => exited.resolve(1),
    }
    const simulator = await startSimulator(settings)
    const stop = (): void => {
      void simulator.drain().then(() => exited.resolve(0))
    }
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
    // Only now: whoever waits for these words may end the process at once.
    io.err(`simulated vLLM (not a model) on ${simulator.url}\n`)
    try {
      return await exited.promise
    } finally {
      process.removeListener('SIGTERM', stop)
      process.removeListener('SIGINT', stop)
      await simulator.close()
    }
  },
})

/** A path stays one wherever the command runs; a hub name (`org/model`) is left alone. */
function resolveModel(workingFolder: string, model: string): string {
  return model.startsWith('.') || model.startsWith('/') ? resolve(workingFolder, model) : model
}

function given<K extends keyof SimulatorOptions>(
  name: K,
  value: SimulatorOptions[K] | undefined,
): Pick<SimulatorOptions, K> | object {
  return value === undefined ? {} : { [name]: value }
}
