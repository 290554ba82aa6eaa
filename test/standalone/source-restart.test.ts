import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { digestFolder } from '../../src/artifacts/digest.ts'
import type { Standalone } from '../../src/standalone/standalone.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { startStandalone } from '../support/start-standalone.ts'

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
  const before = await startStandalone(folder)
  try {
    await becomes(before, 'True Ready')
    write(late)
    await becomes(before, 'False SourceNotFound')
  } finally {
    await before.close(0)
  }
  const after = await startStandalone(folder)
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
