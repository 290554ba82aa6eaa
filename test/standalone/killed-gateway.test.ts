import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { windowAt } from '../../src/core/window.ts'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { rebuildLedger } from '../../src/ledger/rebuild-ledger.ts'
import { SqliteUsage } from '../../src/ledger/usage/sqlite-usage.ts'
import type { UsageRow } from '../../src/ledger/usage/types.ts'
import { eventually } from '../support/eventually.ts'
import { keyOfTenant } from '../support/gateway-bed.ts'
import { redisProgram, RedisServer } from '../support/redis-server.ts'

const script = join(import.meta.dirname, '../support/mortal-gateway.ts')

interface Life {
  readonly child: ChildProcess
  readonly url: string
  /** By tenant: tokens of its stream that the ledger knows of. */
  readonly noted: ReadonlyMap<string, number>
}

async function begin(ledger: string, usage: string): Promise<Life> {
  const child = spawn(process.execPath, [script, ledger, usage], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => end(child))
  const lines = createInterface({ input: child.stdout })
  const [url] = (await once(lines, 'line')) as [string]
  const noted = new Map<string, number>()
  lines.on('line', (line: string) => {
    const [tenant = '', tokens] = line.split(' ')
    noted.set(tenant, Number(tokens))
  })
  return { child, url, noted }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

/** A stream of a tenant that is read as long as there is one. */
async function stream(url: string, tenant: string, model: string): Promise<void> {
  const { body } = await request(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${keyOfTenant(tenant)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'hello there' }],
      max_tokens: 1500,
      ignore_eos: true,
      stream: true,
    }),
  })
  await body.text()
}

const everything = {
  fromMs: 0,
  toMs: 1e14,
  groupBy: ['tenant', 'adapter', 'pool', 'keyId'],
  limit: 10,
} as const

function want(tenant: string, adapter: string) {
  return {
    group: { tenant, adapter, pool: 'models/llama', keyId: `${tenant}/${tenant}` },
    requests: 1n,
    inexact: 1n,
  }
}

/** Two streams, one of a tenant without limits; SIGKILL; then `after` has another life of the service begin. */
async function billsOfTheKilled(
  ledger: string,
  usage: string,
  bills: () => Promise<readonly UsageRow[]>,
  survivors: (begin: () => Promise<Life>) => Promise<void>,
): Promise<readonly UsageRow[]> {
  const { child, url, noted } = await begin(ledger, usage)
  for (const [tenant, model] of [
    ['acme', 'tickets'],
    ['globex', 'shout'],
  ] as const) {
    stream(url, tenant, model).catch(() => undefined) // it is cut off
  }
  const leastNoted = (): number => Math.min(noted.get('acme') ?? 0, noted.get('globex') ?? 0)
  await eventually(leastNoted).toBeGreaterThan(10)
  await end(child)
  expect(await bills()).toEqual([])
  await survivors(() => begin(ledger, usage))
  await eventually(async () => (await bills()).length).toBe(2)
  const rows = await bills()
  expect(rows).toMatchObject([want('acme', 'tickets'), want('globex', 'shout')])
  for (const { group, inputTokens, outputTokens, outputNanos } of rows) {
    expect(Number(inputTokens)).toBeGreaterThan(3)
    expect(Number(outputTokens)).toBeGreaterThanOrEqual(noted.get(group.tenant ?? '') ?? Infinity)
    expect(Number(outputTokens)).toBeLessThan(1500)
    expect(outputNanos).toBe(outputTokens * 4000n)
  }
  return rows
}

function place(): { readonly folder: string; readonly bills: () => Promise<readonly UsageRow[]> } {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-killed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const bills = async () => {
    const usage = new SqliteUsage(join(folder, 'usage.db'))
    try {
      return await usage.query(everything)
    } finally {
      await usage.close()
    }
  }
  return { folder, bills }
}

describe('streams of a gateway that is killed', { timeout: 60_000 }, () => {
  test('on SQLite: its next life bills each of them once, as far as they were noted', async () => {
    const { folder, bills } = place()
    const [ledger, usage] = [`sqlite:${folder}/ledger.db`, `sqlite:${folder}/usage.db`]
    const rows = await billsOfTheKilled(ledger, usage, bills, async (next) => {
      await next()
    })
    // It goes on looking, five times a second.
    await delay(500)
    expect(await bills()).toEqual(rows)
  })

  test.skipIf(redisProgram === undefined)(
    'on Redis: another one bills each of them once, and their holds are gone',
    async () => {
      const server = await RedisServer.start()
      onTestFinished(() => server.stop())
      await rebuildLedger(server.url, [])
      const { folder, bills } = place()
      const usage = `sqlite:${folder}/usage.db`
      const rows = await billsOfTheKilled(server.url, usage, bills, async (next) => {
        await next()
      })
      const log = (): void => undefined
      const ledger = await openLedger({
        url: server.url,
        forBudgets: true,
        gateways: () => 2,
        guard: { timeoutMs: 20_000 },
        log,
      })
      onTestFinished(() => ledger.close())
      await eventually(() => ledger.lapsed(0)).toEqual([])
      const { id } = windowAt('Day', 'UTC', Date.now())
      const [acme] = rows
      expect(await ledger.read([counterKey('acme', 'tokensPerDay', id)])).toEqual([
        { committed: Number(acme?.inputTokens) + Number(acme?.outputTokens), held: 0 },
      ])
      expect(await ledger.read([counterKey('acme', 'concurrentRequests')])).toEqual([
        { committed: 0, held: 0 },
      ])
      await delay(500)
      expect(await bills()).toEqual(rows)
    },
  )
})
