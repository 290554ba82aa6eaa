import { expect, onTestFinished, test } from 'vitest'
import type { GuardOptions } from '../../ledger/guarded-ledger.ts'
import { Metering } from './metering.ts'

async function wordsAt(ledger: string, gateways: number): Promise<string> {
  const log: string[] = []
  const metering = await Metering.open({
    ledger,
    usage: 'memory:',
    gateways,
    userSecret: Buffer.from('a secret'),
    log: (words) => log.push(words),
  })
  metering.meter.close()
  await metering.close()
  return log.join('\n')
}

test('whoever counts in memory is told what that means', async () => {
  expect(await wordsAt('memory:', 1)).toMatch(/^Limits and budgets .* forgets what is used\. For/)
  expect(await wordsAt('memory:', 3)).toContain('Each of 3 gateways grants its share')
  expect(await wordsAt('sqlite::memory:', 3)).toBe('')
})

/** What a request is told that a budget, or a rate, has room for, where nobody listens at the store's port. */
async function answersWhileAway(guard: Partial<GuardOptions>): Promise<readonly string[]> {
  const metering = await Metering.open({
    ledger: 'redis://127.0.0.1:9',
    usage: 'memory:',
    gateways: 4,
    guard,
    userSecret: Buffer.from('a secret'),
    log: () => undefined,
  })
  onTestFinished(() => metering.close())
  const { ledger, holds } = metering.meter
  holds.close()
  const asks = (['Budget', 'Rate'] as const).map(async (kind) => {
    const line = {
      key: kind,
      kind: 'Flow',
      class: kind,
      amount: 3,
      cap: 4,
      endsAtMs: 1e14,
    } as const
    const hold = { id: `0-${kind}`, lines: [line], expiresInMs: 1000 }
    return (await ledger.try(hold)).outcome
  })
  const answers = await Promise.allSettled(asks)
  return answers.map((one) => (one.status === 'fulfilled' ? one.value : 'Closed'))
}

test('what holds while a store is away is a setting', async () => {
  // A quarter of four has no room for three.
  expect(await answersWhileAway({})).toEqual(['Closed', 'Refused'])
  const open = { Budget: 'Open', Rate: 'Open' } as const
  expect(await answersWhileAway({ whenAway: open })).toEqual(['Granted', 'Granted'])
})
