import { ControllerProcess } from '../../cluster/controller-process.ts'
import { connectToCluster } from '../../resources/kubernetes/connect.ts'
import { adminAuthOf, adminOptions } from '../admin-options.ts'
import { clusterOptions, connectionOf } from '../cluster-options.ts'
import { defineCommand } from '../command.ts'
import { processLogger, processOptions } from '../process-options.ts'
import { aborted, stopSignals } from '../stop-signals.ts'
import { workloadOptions, workloadSettingsOf } from '../workload-options.ts'

export const controller = defineCommand({
  name: 'controller',
  summary: 'Run the controller of a cluster',
  details:
    'Makes pods of pools, tells agents which adapters to have, scales, and writes statuses. Any number may run: one leads.\n' +
    'Traffic does not need it. It ends with code 1 when it lost the lead, to start anew as a follower.',
  args: [],
  options: {
    'secret-file': {
      type: 'string',
      summary: "File with the installation's secret; where it is missing, the Secret is made",
      placeholder: 'file',
      default: '/var/run/loraplex/secret',
    },
    'pod-name': { type: 'string', summary: 'Its name in the Lease', default: 'loraplex' },
    host: { type: 'string', summary: 'Address of the operator port', default: '0.0.0.0' },
    ...adminOptions,
    ...processOptions,
    ...workloadOptions,
    ...clusterOptions,
  },
  run: async ({ io, options }) => {
    const adminAuth = adminAuthOf(options)
    const logger = processLogger(io, options)
    const stop = stopSignals()
    const access = await connectToCluster(connectionOf(options))
    const process = await ControllerProcess.start(
      {
        access,
        secretFile: options['secret-file'],
        namespace: options.namespace,
        podName: options['pod-name'],
        host: options.host,
        adminPort: options['admin-port'],
        adminAuth,
        settings: workloadSettingsOf(options),
        agentRollout: options['agent-rollout'],
        logger,
      },
      stop.first,
    ).catch((error: unknown) => {
      if (stop.first.aborted) {
        return undefined // told to stop before it knew everything
      }
      throw error
    })
    if (process === undefined) {
      return 0
    }
    const { adminUrl } = process
    logger.info({ cluster: access.origin, adminUrl }, 'the controller knows everything')
    await Promise.race([aborted(stop.first), aborted(process.lost)])
    const isTold = stop.first.aborted
    logger.info({ isTold }, 'stopping')
    await process.close()
    return isTold ? 0 : 1
  },
})
