import process from 'node:process'
import { pino } from 'pino'
import type { SourceSettings } from '../../src/artifacts/depot/fetch-source.ts'
import { DepotProcess, type DepotProcessOptions } from '../../src/cluster/depot-process.ts'
import { openAdminAuth } from '../../src/telemetry/admin-auth.ts'

interface StartedDepot extends Partial<Omit<DepotProcessOptions, 'sources'>> {
  readonly cacheFolder: string
  readonly secretFile: string
  readonly sources?: Partial<SourceSettings>
}

/** A depot's process in this one, on any free ports; it reads no folder, no private host and no Secret but those named. */
export function startDepot({ sources, ...options }: StartedDepot): Promise<DepotProcess> {
  return DepotProcess.start(
    {
      host: '127.0.0.1',
      port: 0,
      adminPort: 0,
      adminAuth: openAdminAuth,
      logger: pino({ level: process.env['LORAPLEX_TEST_LOG'] ?? 'silent' }),
      ...options,
      sources: {
        fileRoots: [],
        allowPrivateHosts: new Set(),
        maxBytes: 1 << 30,
        readSecret: () => Promise.resolve(undefined),
        ...sources,
      },
    },
    new AbortController().signal,
  )
}
