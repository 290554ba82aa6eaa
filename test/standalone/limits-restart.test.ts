import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteUsage } from '../../src/ledger/usage/sqlite-usage.ts'
import { startStandalone } from '../support/start-standalone.ts'
import { eventually } from '../support/eventually.ts'
import { call } from '../support/http-caller.ts'
import { adapterYaml, fixtures, poolYaml } from '../support/service.ts'

const tenant = `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec:
  limits: {requestsPerDay: 3}
`

test('what was used counts after a restart, and the bills are there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-limits-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const adapter = adapterYaml('acme', 'tickets', `${fixtures}/adapters/acme-tickets`)
  writeFileSync(join(folder, 'all.yaml'), poolYaml() + tenant + adapter)
  const statuses: number[] = []
  for (let life = 0; life < 2; life += 1) {
    const service = await startStandalone(folder)
    try {
      const isReady = () =>
        service.source
          .status('LoraAdapter', 'acme/tickets')
          ?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
      await expect.poll(isReady, { timeout: 60_000 }).toBe(true)
      for (let request = 0; request < 2; request += 1) {
        const { status } = await call(`${service.url}/v1/chat/completions`, {
          key: service.source.keys().get('acme') ?? '',
          body: { model: 'tickets', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 },
        })
        statuses.push(status)
      }
    } finally {
      await service.close(0)
    }
  }
  expect(statuses).toEqual([200, 200, 200, 429])
  const usage = new SqliteUsage(join(folder, '.loraplex', 'usage.db'))
  onTestFinished(() => usage.close())
  await eventually(async () => {
    const [sum] = await usage.query({ fromMs: 0, toMs: 1e14, groupBy: [], limit: 1 })
    return [sum?.requests, sum?.outputTokens]
  }).toEqual([3n, 12n])
})
