import { expect, test } from 'vitest'
import { LedgerError } from '../../src/ledger/ledger-error.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import type { GatewayBed } from '../support/gateway-bed.ts'
import { chat, metered } from '../support/metered-bed.ts'

/** Of one metric, its lines. */
async function linesOf(bed: GatewayBed, name: string): Promise<readonly string[]> {
  const text = await bed.gateway.metrics.registry.getSingleMetricAsString(name)
  return text.split('\n').filter((line) => line.startsWith(name))
}

test('a refusal is counted by the limit that was short, and budgets tell how full they are', async () => {
  const { bed, records } = await metered({
    perUser: { requestsPerDay: 1 },
    budgets: [
      { name: 'monthly', window: 'Month', tokens: 1_000_000 },
      { name: 'daily', window: 'Day', amount: '0.000001', action: 'Warn' },
    ],
  })
  expect((await chat(bed, { user: 'ann-the-user' })).status).toBe(200)
  expect((await chat(bed, { user: 'ann-the-user' })).status).toBe(429)
  expect(await linesOf(bed, 'loraplex_limit_refusals_total')).toEqual([
    'loraplex_limit_refusals_total{tenant="acme",scope="user",limit="requestsPerDay"} 1',
  ])
  const used = records.reduce((sum, one) => sum + one.inputTokens + one.outputTokens, 0)
  // What the request that was refused found: nothing of it is in there.
  expect(await linesOf(bed, 'loraplex_budget_used_ratio')).toEqual([
    `loraplex_budget_used_ratio{tenant="acme",budget="monthly",unit="tokens"} ${used / 1_000_000}`,
    expect.stringMatching(/budget="daily",unit="amount"\} \d+/) as string,
  ])
  expect(await bed.gateway.metrics.registry.metrics()).not.toMatch(/ann-the-user|acme\/acme/)
})

test('a budget without room is counted as one, whatever its name is', async () => {
  const { bed } = await metered({ budgets: [{ name: 'tiny', window: 'Month', tokens: 10 }] })
  expect((await chat(bed)).status).toBe(429)
  expect(await linesOf(bed, 'loraplex_limit_refusals_total')).toEqual([
    'loraplex_limit_refusals_total{tenant="acme",scope="tenant",limit="budget"} 1',
  ])
})

test('calls of the ledger are timed, and those without an answer counted', async () => {
  class Away extends MemoryLedger {
    isAway = false
    override try(...args: Parameters<MemoryLedger['try']>): ReturnType<MemoryLedger['try']> {
      return this.isAway
        ? Promise.reject(new LedgerError('Unavailable', 'away'))
        : super.try(...args)
    }
  }
  const ledger = new Away()
  const { bed } = await metered({ limits: { requestsPerDay: 10 } }, { ledger })
  expect((await chat(bed)).status).toBe(200)
  ledger.isAway = true
  expect((await chat(bed)).status).toBe(503)
  expect(await linesOf(bed, 'loraplex_ledger_failures_total')).toEqual([
    'loraplex_ledger_failures_total{call="try",reason="Unavailable"} 1',
  ])
  const counts = (await linesOf(bed, 'loraplex_ledger_call_duration_seconds')).filter((line) =>
    line.includes('_count'),
  )
  expect(counts).toContain('loraplex_ledger_call_duration_seconds_count{call="try"} 2')
  expect(counts).toContain('loraplex_ledger_call_duration_seconds_count{call="settle"} 1')
  expect(await linesOf(bed, 'loraplex_holds')).toEqual(['loraplex_holds 0'])
})
