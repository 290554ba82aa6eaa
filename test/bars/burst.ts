// 200 callers at once on a budget with room for a few, at three `loraplex up` on one Redis. In the middle of it one gateway
// is killed, and Redis too, which comes back with its log. What the store did at each write is read from that log.
//   node bin/run.mjs test/bars/burst.ts [--rounds 5] [--callers 200]
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { windowAt } from '../../src/core/window.ts'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { LedgerError } from '../../src/ledger/ledger-error.ts'
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts'
import type { Counter } from '../../src/ledger/types.ts'
import { RedisServer } from '../support/redis-server.ts'
import { countersWritten, redisWrites } from '../support/redis-writes.ts'
import { adapterYaml, fixtures, poolYaml } from '../support/service.ts'
import { UpProcess } from '../support/up-process.ts'

const cap = 12_000
const leaseMs = 10_000
const answerTokens = 300
/** What one request holds: its answer, and a bound for its prompt. */
const body = {
  model: 'tickets',
  messages: [{ role: 'user', content: 'hello there' }],
  max_tokens: answerTokens,
  ignore_eos: true,
  stream: true,
}

const acme = `---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec:
  budgets: [{name: monthly, window: Month, tokens: ${cap}}]
`

export interface BurstFigures {
  readonly callers: number
  /** Requests that fit, by what one of them holds. */
  readonly room: number
  /** Holds in the store once every caller had its answer. */
  readonly granted: number
  readonly answered: number
  /** Of the store's log. */
  readonly writes: number
  readonly most: number
  readonly cap: number
  readonly burstMs: number
  /** From the kill to the last hold of the dead gateway. */
  readonly goneMs: number
  readonly committed: number
}

type Verdict = 'Granted' | 'Refused'

/** Callers of the burst, until each has been granted or refused; a gateway that is gone or closed is no answer. */
class Callers {
  readonly #leaving = new AbortController()
  readonly #agent = new Agent({ connections: null, pipelining: 1 })
  readonly #verdicts: Verdict[] = []
  readonly #open: Promise<unknown>[] = []

  get granted(): number {
    return this.#verdicts.filter((verdict) => verdict === 'Granted').length
  }

  get decided(): number {
    return this.#verdicts.length
  }

  async all(count: number, gateways: readonly UpProcess[], dead: () => UpProcess | undefined) {
    await Promise.all(
      Array.from({ length: count }, async (_, at) => {
        for (let tried = at; ; tried += 1) {
          const gateway = gateways[tried % gateways.length]
          const verdict =
            gateway === undefined || gateway === dead() ? undefined : await this.#ask(gateway)
          if (verdict !== undefined) {
            this.#verdicts.push(verdict)
            return
          }
          await delay(50)
        }
      }),
    )
  }

  /** Everybody hangs up. */
  async leave(): Promise<void> {
    this.#leaving.abort()
    await Promise.allSettled(this.#open)
    await this.#agent.destroy()
  }

  async #ask(gateway: UpProcess): Promise<Verdict | undefined> {
    try {
      const answer = await request(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: {
          authorization: `Bearer ${gateway.key('acme')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
        signal: this.#leaving.signal,
      })
      const read = answer.body.dump({ limit: Number.MAX_SAFE_INTEGER }).catch(() => undefined)
      if (answer.statusCode === 200) {
        this.#open.push(read)
        return 'Granted'
      }
      await read
      return answer.statusCode === 429 ? 'Refused' : undefined
    } catch {
      return undefined
    }
  }
}

async function burst(callers: number, rehearsal: number): Promise<BurstFigures> {
  const redis = await RedisServer.start()
  const ledger = await RedisLedger.open({ url: redis.url, forBudgets: true })
  const gateways = [1, 2, 3].map(() =>
    UpProcess.create({
      'pool.yaml': poolYaml({ args: ['--step-ms', '200'] }),
      'acme.yaml':
        acme + adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
    }),
  )
  try {
    await ledger.rebuild()
    await Promise.all(gateways.map((gateway) => gateway.start('--ledger', redis.url)))
    return await measure({ callers, rehearsal, redis, ledger, gateways })
  } finally {
    await ledger.close()
    for (const gateway of gateways) {
      for (const pid of gateway.enginePids()) {
        endProcess(pid)
      }
      await gateway.dispose()
    }
    await redis.stop()
  }
}

interface Stage {
  readonly callers: number
  /** Grants after which the killing begins. */
  readonly rehearsal: number
  readonly redis: RedisServer
  readonly ledger: RedisLedger
  readonly gateways: readonly UpProcess[]
}

async function measure(stage: Stage): Promise<BurstFigures> {
  const { callers, redis, ledger, gateways } = stage
  const asking = new Callers()
  const victim = gateways[2]
  let dead: UpProcess | undefined
  const startedAt = performance.now()
  const asked = asking.all(callers, gateways, () => dead)
  await until(() => asking.granted >= stage.rehearsal || asking.decided === callers)
  endProcess(victim?.servicePid ?? 0)
  dead = victim
  const killedAt = performance.now()
  await redis.kill()
  await redis.up()
  await asked
  const burstMs = performance.now() - startedAt
  const afterBurst = await counterOf(ledger)
  await asking.leave()
  let last = afterBurst
  await until(async () => {
    last = await counterOf(ledger)
    return last.held === 0
  })
  const goneMs = performance.now() - killedAt
  const written = [...countersWritten(redisWrites(redis.folder))].filter(
    ({ key }) => key === name(),
  )
  const [first] = written
  const each = first?.held ?? 0
  return {
    callers,
    room: Math.floor(cap / each),
    granted: afterBurst.held / each,
    answered: asking.granted,
    writes: written.length,
    most: Math.max(...written.map(({ committed, held }) => committed + held)),
    cap,
    burstMs: Math.round(burstMs),
    goneMs: Math.round(goneMs),
    committed: last.committed,
  }
}

function name(): string {
  return counterKey(
    'acme',
    'budget',
    'monthly',
    'Tokens',
    'Month',
    windowAt('Month', 'UTC', Date.now()).id,
  )
}

async function counterOf(ledger: RedisLedger): Promise<Counter> {
  for (;;) {
    try {
      const [counter] = await ledger.read([name()])
      return counter ?? { committed: 0, held: 0 }
    } catch (error) {
      if (!(error instanceof LedgerError)) {
        throw error
      }
      await delay(20)
    }
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await isSo())) {
    if (performance.now() > deadline) {
      throw new Error('it did not come to that within a minute')
    }
    await delay(2)
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    callers: { type: 'string', default: '200' },
  },
})
for (let round = 1; round <= Number(values.rounds); round += 1) {
  const figures = await burst(Number(values.callers), 1 + ((3 * round) % 16))
  const { room, granted, most, goneMs, burstMs } = figures
  const isMet = granted === room && most <= cap && goneMs <= burstMs + leaseMs + 1_000
  console.log(`${isMet ? 'ok    ' : 'MISSED'} ${JSON.stringify(figures)}`)
  process.exitCode ||= isMet ? 0 : 1
}
