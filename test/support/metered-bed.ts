import { onTestFinished } from 'vitest'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import type { Ledger } from '../../src/ledger/types.ts'
import { MemoryUsage } from '../../src/ledger/usage/memory-usage.ts'
import type { UsageRecord } from '../../src/ledger/usage/types.ts'
import { Meter } from '../../src/gateway/metering/meter.ts'
import { aKey, anAdapter, aPool, aTenant } from './builders.ts'
import { GatewayBed, keyOfTenant, type BedOptions } from './gateway-bed.ts'
import { call, type HttpAnswer } from './http-caller.ts'

export const acme = { key: keyOfTenant('acme') }
export const prompt = [{ role: 'user', content: 'hello there' }]

interface Metered {
  readonly bed: GatewayBed
  readonly ledger: Ledger
  readonly usage: MemoryUsage
  readonly records: UsageRecord[]
}

/** A bed whose acme has this spec, until the test ends; the pool has prices. */
export async function metered(
  tenant: Readonly<Record<string, unknown>>,
  options: BedOptions & {
    readonly ledger?: Ledger
    /** Each with a ledger of its own. */
    readonly gateways?: number
    readonly key?: Readonly<Record<string, unknown>>
    readonly pool?: Readonly<Record<string, unknown>>
  } = {},
): Promise<Metered> {
  const ledger = options.ledger ?? new MemoryLedger()
  const records: UsageRecord[] = []
  const usage = new MemoryUsage()
  const meter = new Meter({
    ledger,
    usage,
    record: (record) => {
      records.push(record)
      void usage.append([record])
    },
    userSecret: Buffer.from('a secret'),
    gateways: options.gateways ?? 1,
  })
  const bed = await GatewayBed.start({
    ...options,
    gateway: { ...options.gateway, meter },
    objects: [
      aPool('llama').with({
        pricing: {
          inputPerMillionTokens: '1',
          cachedInputPerMillionTokens: '0.5',
          outputPerMillionTokens: '4',
        },
        ...options.pool,
      }),
      aTenant('acme').with(tenant),
      aKey('acme')
        .in('acme')
        .with(options.key ?? {}),
      anAdapter('tickets').in('acme'),
    ],
  })
  onTestFinished(() => bed.close())
  return { bed, ledger, usage, records }
}

export const chat = (
  bed: GatewayBed,
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> =>
  call(`${bed.url}/v1/chat/completions`, {
    ...acme,
    headers,
    body: { model: 'tickets', messages: prompt, max_tokens: 8, ...body },
  })

interface Refusal {
  readonly error: { readonly code: string; readonly message: string; readonly param: string | null }
}
export const errorOf = (answer: HttpAnswer) => (answer.json() as Refusal).error

export async function leases(ledger: Ledger): Promise<number | undefined> {
  const [counter] = await ledger.read([counterKey('acme', 'concurrentRequests')])
  return counter?.held
}
