import { gatewayPorts } from '../../api/cluster-names.ts'
import { GatewayProcess } from '../../cluster/gateway-process.ts'
import { connectToCluster } from '../../resources/kubernetes/connect.ts'
import { adminAuthOf, adminOptions } from '../admin-options.ts'
import { clusterOptions, connectionOf } from '../cluster-options.ts'
import { defineCommand } from '../command.ts'
import { guardOf, ledgerOptions } from '../ledger-options.ts'
import { parseDuration } from '../parse-duration.ts'
import { portOption, processLogger, processOptions } from '../process-options.ts'
import { aborted, stopSignals } from '../stop-signals.ts'
import { tuneCollector } from '../tune-collector.ts'

export const gateway = defineCommand({
  name: 'gateway',
  summary: 'Run one gateway of a cluster',
  details:
    'Learns resources and replica pods from the API server, and the rest from the agents of the replicas. Goes on serving while\n' +
    'the API server and the controller are away. On SIGTERM readiness goes first; open streams may end within --drain-seconds.',
  args: [],
  options: {
    'secret-file': {
      type: 'string',
      summary: "File with the installation's secret",
      placeholder: 'file',
      default: '/var/run/loraplex/secret',
    },
    host: { type: 'string', summary: 'Address that the ports are opened on', default: '0.0.0.0' },
    port: { ...portOption, summary: 'Tenant port', default: gatewayPorts.http },
    'internal-port': {
      ...portOption,
      summary: 'Port for the controller',
      default: gatewayPorts.internal,
    },
    ...adminOptions,
    ...ledgerOptions,
    gateways: {
      type: 'integer',
      summary:
        'How many gateways share a limit while a shared ledger is away, or where each counts in memory',
      minimum: 1,
      maximum: 1000,
      default: 1,
    },
    'unknown-fields': {
      type: 'string',
      summary: 'What becomes of request fields that nobody knows',
      choices: ['Drop', 'Reject'],
      default: 'Drop',
    },
    'max-queue-seconds': {
      type: 'integer',
      summary: 'How long a request may wait for a slot, a load or a replica',
      minimum: 1,
      maximum: 3600,
      default: 30,
    },
    'max-cold-start-seconds': {
      type: 'integer',
      summary:
        'How long a request may wait for the first replica of a pool, where its startupTimeoutSeconds is not less',
      minimum: 0,
      maximum: 86_400,
      default: 3600,
    },
    'max-config-age': {
      type: 'string',
      summary: 'How long without a word from the API server this gateway stays ready',
      placeholder: 'duration',
      default: '24h',
    },
    'shutdown-delay-seconds': {
      type: 'integer',
      summary: 'How long new requests are still served once it is told to stop',
      minimum: 0,
      maximum: 3600,
      default: 10,
    },
    'drain-seconds': {
      type: 'integer',
      summary: 'How long open streams may last after that',
      minimum: 0,
      maximum: 86_400,
      default: 3600,
    },
    ...processOptions,
    ...clusterOptions,
  },
  run: async ({ io, options }) => {
    tuneCollector()
    const adminAuth = adminAuthOf(options)
    const logger = processLogger(io, options)
    const stop = stopSignals()
    const access = await connectToCluster(connectionOf(options))
    const started = GatewayProcess.start(
      {
        access,
        secretFile: options['secret-file'],
        host: options.host,
        ports: {
          http: options.port,
          admin: options['admin-port'],
          internal: options['internal-port'],
        },
        metering: {
          ledger: options.ledger ?? 'memory:',
          usage: options['usage-store'],
          gateways: options.gateways,
          currency: options.currency,
          guard: guardOf(options),
        },
        unknownFields: options['unknown-fields'],
        maxQueueMs: options['max-queue-seconds'] * 1000,
        maxColdStartMs: options['max-cold-start-seconds'] * 1000,
        maxConfigAgeMs: parseDuration('max-config-age', options['max-config-age']),
        adminAuth,
        logger,
      },
      stop.first,
    )
    const process = await started.catch((error: unknown) => {
      if (stop.first.aborted) {
        return undefined // told to stop before it was ready
      }
      throw error
    })
    if (process === undefined) {
      return 0
    }
    const { url, adminUrl, internalUrl } = process
    logger.info({ cluster: access.origin, url, adminUrl, internalUrl }, 'the gateway serves')
    await aborted(stop.first)
    logger.info({ inFlight: process.gateway.inFlight }, 'stopping')
    await process.stop(
      options['shutdown-delay-seconds'] * 1000,
      options['drain-seconds'] * 1000,
      stop.second,
    )
    return 0
  },
})
