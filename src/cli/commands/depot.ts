import { resolve } from 'node:path'
import { depotPort } from '../../api/cluster-names.ts'
import { DepotProcess } from '../../cluster/depot-process.ts'
import { createAdminAuth } from '../../cluster/create-admin-auth.ts'
import { createSecretReader } from '../../cluster/secret-reader.ts'
import { connectToCluster } from '../../resources/kubernetes/connect.ts'
import { createKubeClient } from '../../resources/kubernetes/kube-client.ts'
import { createTransport } from '../../resources/kubernetes/transport.ts'
import { adminAuthOf, adminOptions } from '../admin-options.ts'
import { clusterOptions, connectionOf } from '../cluster-options.ts'
import { defineCommand } from '../command.ts'
import { portOption, processLogger, processOptions } from '../process-options.ts'
import { sizeOf } from '../size-of.ts'
import { aborted, stopSignals } from '../stop-signals.ts'

export const depot = defineCommand({
  name: 'depot',
  summary: 'Run the depot of a cluster',
  details:
    'Fetches adapters for the controller, each on its own credentials, checks them, and keeps them by digest for the agents of\n' +
    'the pools that were granted them. One runs; what it has in --cache it has again after a restart.',
  args: [],
  options: {
    cache: {
      type: 'string',
      summary: 'Folder that keeps adapters, grants and headers of bases',
      placeholder: 'folder',
      default: '/var/cache/loraplex',
    },
    'cache-size': {
      type: 'string',
      summary: 'What holds that folder, where it is smaller than its volume; nine tenths are used',
      placeholder: 'size',
    },
    'file-root': {
      type: 'string',
      summary: 'Folders that file: sources may be in, with commas between; default: none',
      placeholder: 'folders',
    },
    'allow-private-hosts': {
      type: 'string',
      summary:
        'Hosts (or host:port) of https sources that may be at private addresses and any port, with commas between',
      placeholder: 'hosts',
    },
    'max-adapter-mib': {
      type: 'integer',
      summary: 'The largest adapter that is taken',
      minimum: 1,
      maximum: 1_048_576,
      default: 8192,
    },
    'secret-file': {
      type: 'string',
      summary: "File with the installation's secret",
      placeholder: 'file',
      default: '/var/run/loraplex/secret',
    },
    host: { type: 'string', summary: 'Address that the ports are opened on', default: '0.0.0.0' },
    port: { ...portOption, summary: 'Port for controller and agents', default: depotPort },
    ...adminOptions,
    ...processOptions,
    ...clusterOptions,
  },
  run: async ({ io, options }) => {
    const adminAuth = adminAuthOf(options)
    const logger = processLogger(io, options)
    const size = options['cache-size']
    const cacheBytes = size === undefined ? undefined : sizeOf(size, '--cache-size')
    const stop = stopSignals()
    const access = await connectToCluster(connectionOf(options))
    const transport = createTransport(access)
    try {
      const process = await DepotProcess.start(
        {
          cacheFolder: resolve(io.workingFolder, options.cache),
          cacheBytes,
          secretFile: options['secret-file'],
          sources: {
            fileRoots: listOf(options['file-root']).map((root) => resolve(io.workingFolder, root)),
            allowPrivateHosts: new Set(listOf(options['allow-private-hosts'])),
            maxBytes: options['max-adapter-mib'] * 1024 * 1024,
            readSecret: createSecretReader(createKubeClient({ transport })),
          },
          host: options.host,
          port: options.port,
          adminPort: options['admin-port'],
          adminAuth: await createAdminAuth(adminAuth, transport),
          logger,
        },
        stop.first,
      )
      const { url, adminUrl } = process
      logger.info({ cluster: access.origin, url, adminUrl }, 'the depot serves')
      await aborted(stop.first)
      await process.close()
    } catch (error) {
      if (!stop.first.aborted) {
        throw error
      }
    } finally {
      await transport.close()
    }
    return 0
  },
})

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}
