import { readerFolder, readerPort } from '../../api/cluster-names.ts'
import { createClaimServer } from '../../artifacts/claim/claim-server.ts'
import { listen, urlOf } from '../../telemetry/listen.ts'
import { defineCommand } from '../command.ts'
import { portOption, processLogger, processOptions } from '../process-options.ts'
import { aborted, stopSignals } from '../stop-signals.ts'

export const readClaim = defineCommand({
  name: 'read-claim',
  summary: 'Hand adapters of a mounted claim to the depot',
  details:
    'The pod that the controller makes where a pool is, for as long as adapters come from a claim there. It sends the two files of\n' +
    'an adapter, or a .tar.gz, to whoever shows the token, and nothing from outside the folder.',
  args: [],
  options: {
    claim: { type: 'string', summary: 'Name of the claim, for messages', required: true },
    'token-digest': {
      type: 'string',
      summary: 'SHA-256 in hex of the token that the depot shows',
      placeholder: 'hex',
      required: true,
    },
    folder: {
      type: 'string',
      summary: 'Where the claim is mounted',
      placeholder: 'folder',
      default: readerFolder,
    },
    host: { type: 'string', summary: 'Address that the port is opened on', default: '0.0.0.0' },
    port: { ...portOption, summary: 'Port for the depot', default: readerPort },
    ...processOptions,
  },
  run: async ({ io, options }) => {
    const logger = processLogger(io, options)
    const stop = stopSignals()
    const { claim, folder } = options
    const tokenDigest = options['token-digest']
    const server = await createClaimServer({ folder, claim, tokenDigest, logger })
    await listen(server, options.host, options.port, '--port')
    logger.info({ claim, folder, url: urlOf(server) }, 'the claim can be read')
    await aborted(stop.first)
    await server.close()
    return 0
  },
})
