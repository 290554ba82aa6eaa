import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { digestFolder } from '../../src/artifacts/digest.ts'
import { Standalone } from '../../src/standalone/standalone.ts'
import { openAdminAuth } from '../../src/telemetry/admin-auth.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'

const content = (name: string): string => join(fixtures, 'adapters', name)

test('a new source that could not be read before a restart is read after it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-source-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const write = (source: string): void =>
    writeFileSync(
      join(folder, 'all.yaml'),
      poolYaml() + tenantYaml('acme') + adapterYaml('acme', 'tickets', source),
    )
  const late = join(folder, 'late')
  write(content('acme-tickets'))
  const before = await start(folder)
  try {
    await becomes(before, 'True Ready')
    write(late)
    await becomes(before, 'False SourceNotFound')
  } finally {
    await before.close(0)
  }
  const after = await start(folder)
  try {
    await becomes(after, 'False SourceNotFound')
    cpSync(content('globex-shout'), late, { recursive: true })
    await becomes(after, 'True Ready')
    const status = after.source.status('LoraAdapter', 'acme/tickets')
    expect(status?.revisions.map(({ digest }) => digest)).toEqual([await digestFolder(late)])
  } finally {
    await after.close(0)
  }
})

async function becomes(service: Standalone, want: string): Promise<void> {
  const ready = (): string => {
    const found = service.source
      .status('LoraAdapter', 'acme/tickets')
      ?.conditions.find(({ type }) => type === 'Ready')
    return `${found?.status} ${found?.reason}`
  }
  await expect.poll(ready, { timeout: 15_000, interval: 10 }).toBe(want)
}

function start(folder: string): Promise<Standalone> {
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
