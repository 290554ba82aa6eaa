import { createClient } from '@redis/client'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../support/run-command.ts'
import { rebuild } from '../../src/cli/commands/ledger.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { SqliteUsage } from '../../src/ledger/usage/sqlite-usage.ts'
import { eventually } from '../support/eventually.ts'
import { call } from '../support/http-caller.ts'
import { acme, chat, errorOf, metered } from '../support/metered-bed.ts'
import { redisProgram, RedisServer } from '../support/redis-server.ts'

const tenant = `apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec: {budgets: [{name: monthly, window: Month, tokens: 4000}]}
`

test.skipIf(redisProgram === undefined)(
  'a Redis that is new or lost its data is closed for budgets until it is rebuilt from the bills',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'loraplex-rebuild-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'acme.yaml'), tenant)
    const server = await RedisServer.start()
    onTestFinished(() => server.stop())
    const ledger = await openLedger({
      url: server.url,
      forBudgets: true,
      gateways: () => 1,
      guard: { timeoutMs: 20_000, breaker: { failures: 1000, probeEveryMs: 10 } },
      log: () => undefined,
    })
    onTestFinished(() => ledger.close())
    const budgets = [{ name: 'monthly', window: 'Month', tokens: 4000 }]
    const { bed, records } = await metered({ budgets }, { ledger })
    const bills = `sqlite:${join(folder, 'usage.db')}`
    const rebuilt = (...options: readonly string[]) => {
      const argv = ['ledger', 'rebuild', '--ledger', server.url, '--dir', folder, ...options]
      return runCommand([rebuild], folder, argv)
    }

    const closed = await chat(bed)
    expect([closed.status, errorOf(closed).code]).toEqual([503, 'limits_unavailable'])
    expect(await rebuilt()).toMatchObject({ code: 0 })
    expect((await chat(bed)).status).toBe(200)
    expect(await rebuilt()).toMatchObject({ code: 1, err: expect.stringContaining('nothing was') })

    const usage = new SqliteUsage(bills.slice('sqlite:'.length))
    await usage.append(records)
    await usage.close()
    const admin = createClient({ url: server.url })
    await admin.connect()
    await admin.flushAll()
    admin.destroy()
    expect((await chat(bed)).status).toBe(503)
    expect(await rebuilt('--usage-store', bills)).toMatchObject({ code: 0 })
    const used = records.reduce((sum, one) => sum + one.inputTokens + one.outputTokens, 0)
    expect(used).toBeGreaterThan(0)
    const standing = await call(`${bed.url}/v1/usage`, acme)
    expect(standing.json()).toMatchObject({ budgets: [{ used, held: 0 }] })
    expect((await chat(bed)).status).toBe(200)
    await eventually(() => records.length).toBe(2)
  },
)
