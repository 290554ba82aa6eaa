/**
 * A gateway with its engine in a process of its own, to be killed: `LEDGER USAGE`. Says where it serves, and then, of
 * requests under way, whose it is and how many tokens of the answer the ledger has been told of.
 */
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { Metering } from '../../src/gateway/metering/metering.ts'
import type { UsageRecord } from '../../src/ledger/usage/types.ts'
import { tiny } from '../../src/sim/profile.ts'
import { aKey, anAdapter, aPool, aTenant } from './builders.ts'
import { GatewayBed } from './gateway-bed.ts'

const [ledger = '', usage = ''] = process.argv.slice(2)
const { meter } = await Metering.open({
  ledger,
  usage,
  userSecret: Buffer.from('a secret'),
  gateways: 2,
  holds: { leaseMs: 1_500 },
  lapsed: { ageMs: 0, everyMs: 200 },
  log: (message) => console.error(message),
})
const { ledger: store } = meter
const renew = store.renew.bind(store)
store.renew = async (holdId, renewal) => {
  const outcome = await renew(holdId, renewal)
  if (renewal.note !== undefined && renewal.note !== '') {
    const { tenant, outputTokens } = JSON.parse(renewal.note) as UsageRecord
    // SQLite writes it in one of the next turns.
    await delay(50)
    console.log(`${tenant} ${outputTokens}`)
  }
  return outcome
}
const bed = await GatewayBed.start({
  simulator: { profile: { ...tiny, stepMs: 40 } },
  gateway: { meter },
  objects: [
    aPool('llama').with({
      pricing: {
        inputPerMillionTokens: '1',
        cachedInputPerMillionTokens: '0.5',
        outputPerMillionTokens: '4',
      },
    }),
    aTenant('acme').with({ limits: { tokensPerDay: 1_000_000, concurrentRequests: 2 } }),
    aTenant('globex'),
    aKey('acme').in('acme'),
    aKey('globex').in('globex'),
    anAdapter('tickets').in('acme'),
    anAdapter('shout').in('globex'),
  ],
})
console.log(bed.url)
