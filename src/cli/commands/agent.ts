import { replicaNameOf, replicaPaths, replicaPorts } from '../../api/cluster-names.ts'
import { AgentProcess } from '../../cluster/agent-process.ts'
import { defineCommand } from '../command.ts'
import { portOption, processLogger, processOptions } from '../process-options.ts'
import { aborted, stopSignals } from '../stop-signals.ts'

const required = { type: 'string', required: true } as const
const count = { type: 'integer', minimum: 1, maximum: 100_000 } as const

export const agent = defineCommand({
  name: 'agent',
  summary: 'Run the agent of one replica, beside its engine',
  details:
    'Runs in every replica pod; the controller writes its flags. Fetches adapters from the depot, loads and proves them, owns the\n' +
    'slots, and tells gateways and controller its state. On SIGTERM it stays until its engine is gone.',
  args: [],
  options: {
    pool: { ...required, summary: 'Its pool: namespace/name' },
    'pod-namespace': { ...required, summary: "The pod's namespace" },
    'pod-name': { ...required, summary: "The pod's name" },
    'pod-uid': { ...required, summary: "The pod's uid" },
    token: { ...required, summary: 'What controller and gateways show' },
    'depot-token': { ...required, summary: 'What the depot is shown' },
    'depot-url': { ...required, summary: 'Where the depot is' },
    'engine-key': { type: 'string', summary: 'What the engine is shown' },
    'engine-url': {
      type: 'string',
      summary: 'Where the engine is',
      default: `http://127.0.0.1:${replicaPorts.engine}`,
    },
    'served-model-name': { ...required, summary: "The base's name inside the engine" },
    'model-uri': { ...required, summary: "The pool's model.uri" },
    'model-path': {
      type: 'string',
      summary: 'Folder of the base',
      placeholder: 'folder',
      default: replicaPaths.model,
    },
    adapters: {
      type: 'string',
      summary: 'Folder of adapters, under the path that the engine has it, too',
      placeholder: 'folder',
      default: replicaPaths.adapters,
    },
    'max-loras': { ...count, summary: 'Slots', default: 8 },
    'max-cpu-loras': { ...count, summary: "Places of the engine's host cache", default: 64 },
    'max-stream-seconds': { ...count, summary: 'No drain ends a stream sooner', default: 3600 },
    'startup-timeout-seconds': { ...count, summary: 'How long its engine may take', default: 3600 },
    host: { type: 'string', summary: 'Address that the port is opened on', default: '0.0.0.0' },
    port: { ...portOption, summary: 'Its port', default: replicaPorts.agent },
    ...processOptions,
  },
  run: async ({ io, options }) => {
    const logger = processLogger(io, options)
    const stop = stopSignals()
    const replica = replicaNameOf({
      namespace: options['pod-namespace'],
      name: options['pod-name'],
      uid: options['pod-uid'],
    })
    const maxStreamMs = options['max-stream-seconds'] * 1000
    const process = await AgentProcess.start({
      replica,
      poolKey: options.pool,
      token: options.token,
      host: options.host,
      port: options.port,
      engine: { url: options['engine-url'], apiKey: options['engine-key'] },
      servedModelName: options['served-model-name'],
      maxLoras: options['max-loras'],
      maxCpuLoras: options['max-cpu-loras'],
      maxStreamMs,
      startupTimeoutMs: options['startup-timeout-seconds'] * 1000,
      adaptersFolder: options.adapters,
      depot: { url: options['depot-url'], token: options['depot-token'] },
      model: { uri: options['model-uri'], path: options['model-path'] },
      logger,
    })
    logger.info({ replica, url: process.url }, 'the agent serves')
    await aborted(stop.first)
    logger.info({}, 'stopping once the engine is gone')
    await process.stop(maxStreamMs, stop.second)
    return 0
  },
})
