// Callers that leave, run out of patience or lose their gateway or engine: afterwards no lease is held, and what is
// committed fits the bills. First without kills of gateways, where both have to be equal; then with them.
//   node bin/run.mjs test/bars/leases.ts [--requests 10000] [--stores redis,sqlite] [--concurrency 32]
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { rebuildLedger } from '../../src/ledger/rebuild-ledger.ts'
import { SqliteUsage } from '../../src/ledger/usage/sqlite-usage.ts'
import { call, rawPost } from '../support/http-caller.ts'
import { leaveAt, randomDeparture } from '../support/leaving-caller.ts'
import { RedisServer } from '../support/redis-server.ts'
import { adapterYaml, fixtures, poolYaml } from '../support/service.ts'
import { UpProcess } from '../support/up-process.ts'

const path = '/v1/chat/completions'
const leaseMs = 10_000
const cap = 10_000_000
const acme = `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec:
  limits: {concurrentRequests: 1000}
  budgets: [{name: monthly, window: Month, tokens: ${cap}}]
`

interface Standing {
  readonly limits: readonly { readonly held: number }[]
  readonly budgets: readonly { readonly used: number; readonly held: number }[]
}

/** Counters beside bills. */
interface Sums {
  readonly leases: number
  readonly held: number
  readonly tokens: number
  readonly billedRequests: number
  readonly billedTokens: number
}

/** Gateways on one store, each with an engine of its own. */
class Bed implements AsyncDisposable {
  readonly gateways: readonly UpProcess[]
  readonly #redis: RedisServer | undefined
  readonly #away = new Set<UpProcess>()

  private constructor(gateways: readonly UpProcess[], redis: RedisServer | undefined) {
    this.gateways = gateways
    this.#redis = redis
  }

  static async start(store: string): Promise<Bed> {
    const redis = store === 'redis' ? await RedisServer.start() : undefined
    if (redis !== undefined) {
      await rebuildLedger(redis.url, [])
    }
    const files = {
      'pool.yaml': poolYaml({ args: ['--step-ms', '20'] }),
      'acme.yaml':
        acme + adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
    }
    const count = redis === undefined ? 1 : 2
    const bed = new Bed(
      Array.from({ length: count }, () => UpProcess.create(files)),
      redis,
    )
    await Promise.all(bed.gateways.map((gateway) => bed.up(gateway)))
    return bed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.dispose()))
    await this.#redis?.stop()
  }

  async up(gateway: UpProcess): Promise<void> {
    const usage = `sqlite:${join(gateway.folder, 'usage.db')}`
    const ledger = this.#redis === undefined ? [] : ['--ledger', this.#redis.url]
    await gateway.start(...ledger, '--usage-store', usage)
    this.#away.delete(gateway)
  }

  /** One that is up. */
  async any(random: () => number): Promise<UpProcess> {
    for (;;) {
      const some = this.gateways.filter((gateway) => !this.#away.has(gateway))
      const one = some[Math.floor(random() * some.length)]
      if (one !== undefined) {
        return one
      }
      await delay(50)
    }
  }

  async killGateway(gateway: UpProcess): Promise<void> {
    this.#away.add(gateway)
    process.kill(gateway.servicePid, 'SIGKILL')
    await gateway.exited()
    await this.up(gateway)
  }

  killEngine(gateway: UpProcess): void {
    for (const pid of this.#away.has(gateway) ? [] : gateway.enginePids()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It is being replaced.
      }
    }
  }

  async sums(): Promise<Sums> {
    const [gateway] = this.gateways
    if (gateway === undefined) {
      throw new Error('there is no gateway')
    }
    const answer = await call(`${gateway.url}/v1/usage`, { key: gateway.key('acme') })
    const { limits, budgets } = answer.json() as Standing
    let [billedRequests, billedTokens] = [0, 0]
    for (const { folder } of this.gateways) {
      const usage = new SqliteUsage(join(folder, 'usage.db'))
      const [sum] = await usage.query({ fromMs: 0, toMs: 1e14, groupBy: [], limit: 1 })
      await usage.close()
      billedRequests += Number(sum?.requests ?? 0n)
      billedTokens += Number((sum?.inputTokens ?? 0n) + (sum?.outputTokens ?? 0n))
    }
    return {
      leases: limits[0]?.held ?? Number.NaN,
      held: budgets[0]?.held ?? Number.NaN,
      tokens: budgets[0]?.used ?? Number.NaN,
      billedRequests,
      billedTokens,
    }
  }
}

/** What happens to one of every so many requests. */
interface Misfortunes {
  readonly engineKilledEvery: number
  readonly gatewayKilledEvery: number
}

async function suffer(
  bed: Bed,
  requests: number,
  concurrency: number,
  { engineKilledEvery, gatewayKilledEvery }: Misfortunes,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {}
  const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1)
  let [begun, restarting] = [0, Promise.resolve()]
  const worker = async (): Promise<void> => {
    while (begun < requests) {
      const at = (begun += 1)
      const gateway = await bed.any(Math.random)
      if (at % engineKilledEvery === 0) {
        bed.killEngine(gateway)
        count('engine killed')
      }
      if (at % gatewayKilledEvery === 0) {
        restarting = restarting.then(() => bed.killGateway(gateway))
        count('gateway killed')
      }
      count(await one(gateway))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  await restarting
  return counts
}

async function one(gateway: UpProcess): Promise<string> {
  const key = gateway.key('acme')
  const url = new URL(gateway.url)
  const body = {
    model: 'tickets',
    messages: [{ role: 'user', content: 'hello there' }],
    ignore_eos: true,
  }
  if (Math.random() < 0.6) {
    const requests = {
      stream: rawPost(path, key, { ...body, max_tokens: 60, stream: true }),
      whole: rawPost(path, key, { ...body, max_tokens: 10 }),
    }
    await leaveAt(randomDeparture(Number(url.port), requests, Math.random))
    return 'left'
  }
  const isImpatient = Math.random() < 0.5
  try {
    const answer = await request(`${gateway.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        ...(isImpatient ? { 'x-stainless-timeout': '0.05' } : {}),
      },
      body: JSON.stringify({ ...body, max_tokens: 10, stream: Math.random() < 0.5 }),
      // Some clients give up by a clock, wherever the answer is.
      ...(isImpatient ? { signal: AbortSignal.timeout(Math.ceil(Math.random() * 400)) } : {}),
    })
    await answer.body.dump({ limit: Number.MAX_SAFE_INTEGER })
    return String(answer.statusCode)
  } catch {
    return isImpatient ? 'timed out' : 'cut'
  }
}

/** The sums once nothing is held any more, or when the leases should have ended long ago. */
async function settled(bed: Bed): Promise<Sums & { readonly afterMs: number }> {
  const startedAt = performance.now()
  for (;;) {
    const sums = await bed.sums()
    const afterMs = Math.round(performance.now() - startedAt)
    if ((sums.leases === 0 && sums.held === 0) || afterMs > leaseMs + 2_000) {
      // Bills are written in batches.
      await delay(2_000)
      return { ...(await bed.sums()), afterMs }
    }
    await delay(200)
  }
}

async function main(store: string, requests: number, concurrency: number): Promise<boolean> {
  await using bed = await Bed.start(store)
  const half = Math.floor(requests / 2)
  const calm = { engineKilledEvery: 700, gatewayKilledEvery: Number.POSITIVE_INFINITY }
  const first = await suffer(bed, half, concurrency, calm)
  const afterFirst = await settled(bed)
  const second = await suffer(bed, requests - half, concurrency, {
    engineKilledEvery: 900,
    gatewayKilledEvery: 600,
  })
  const afterSecond = await settled(bed)
  const isMet = {
    leases: afterFirst.leases + afterFirst.held + afterSecond.leases + afterSecond.held === 0,
    equal: afterFirst.tokens === afterFirst.billedTokens,
    covered: afterSecond.tokens >= afterSecond.billedTokens && afterSecond.tokens <= cap,
  }
  const verdict = Object.values(isMet).every(Boolean) ? 'ok    ' : 'MISSED'
  console.log(`${verdict} ${store}: ${JSON.stringify(isMet)}`)
  console.log(`  no gateway killed: ${JSON.stringify(first)}\n    ${JSON.stringify(afterFirst)}`)
  console.log(`  gateways killed: ${JSON.stringify(second)}\n    ${JSON.stringify(afterSecond)}`)
  return verdict === 'ok    '
}

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    stores: { type: 'string', default: 'redis,sqlite' },
    concurrency: { type: 'string', default: '32' },
  },
})
for (const store of values.stores.split(',')) {
  const isMet = await main(store, Number(values.requests), Number(values.concurrency))
  process.exitCode ||= isMet ? 0 : 1
}
