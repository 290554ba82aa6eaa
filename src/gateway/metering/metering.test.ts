import { expect, test } from 'vitest'
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
