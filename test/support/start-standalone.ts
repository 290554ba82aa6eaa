import { join } from 'node:path'
import process from 'node:process'
import { Standalone } from '../../src/standalone/standalone.ts'
import { openAdminAuth } from '../../src/telemetry/admin-auth.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

/** `loraplex up` on a folder, in this process, with the simulator and free ports; its state is in the folder. */
export function startStandalone(folder: string): Promise<Standalone> {
  return Standalone.start({
    folder,
    stateFolder: join(folder, '.loraplex'),
    engine: 'simulator',
    host: '127.0.0.1',
    port: 0,
    adminPort: 0,
    adminAuth: openAdminAuth,
    unknownFields: 'Drop',
    maxQueueMs: 30_000,
    logger: createLogger({
      format: 'text',
      level: 'error',
      write: (line) => process.stderr.write(line),
    }),
    env: process.env,
    onProgress: () => undefined,
  })
}
