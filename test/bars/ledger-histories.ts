// Random histories over the stores of the ledger: every answer is held against the reference model.
//   node bin/run.mjs test/bars/ledger-histories.ts [--stores memory,sqlite,redis,postgres] [--count 250000] [--seed 1] [--lanes 8]
import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { LedgerError } from '../../src/ledger/ledger-error.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { PostgresLedger } from '../../src/ledger/postgres/postgres-ledger.ts'
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts'
import { SqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts'
import type { Ledger } from '../../src/ledger/types.ts'
import { betweenHistoriesMs, disagreement, histories } from '../support/ledger-histories.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { RedisServer } from '../support/redis-server.ts'

type Now = () => number
/** Clients of one store that share nothing with those of another lane. */
type OpenLane = (lane: number, now: Now) => Promise<readonly Ledger[]>

interface LiveStore {
  readonly lane: OpenLane
  readonly close: () => Promise<void>
}

export interface HistoryFigures {
  readonly store: string
  readonly histories: number
  /** Answers compared. */
  readonly answers: number
  /** Histories that were left, because the store did not answer in time: not counted. */
  readonly unanswered: number
  readonly seconds: number
  /** The first disagreement, in words. */
  readonly wrong: string | undefined
}

/** The histories' clock is not the servers', so nothing expires there: each round begins with an empty one. */
const perRound = 40_000

const stores: Readonly<Record<string, () => Promise<LiveStore>>> = {
  memory: () =>
    Promise.resolve({
      lane: (_lane, now) => Promise.resolve([new MemoryLedger(now)]),
      close: () => Promise.resolve(),
    }),
  sqlite: () => {
    const folder = mkdtempSync(join(tmpdir(), 'loraplex-histories-'))
    return Promise.resolve({
      lane: (lane, now) => Promise.resolve([new SqliteLedger(join(folder, `${lane}.db`), now)]),
      close: () => Promise.resolve(rmSync(folder, { recursive: true })),
    })
  },
  // What is on the disk does not matter here, and a flush for every call would.
  redis: async () => {
    const server = await RedisServer.start(['--appendonly', 'no'])
    return {
      lane: async (lane, now) => {
        const options = { url: server.url, prefix: `lane-${lane}`, forBudgets: false, now }
        const clients = [await RedisLedger.open(options), await RedisLedger.open(options)]
        await clients[0]?.rebuild()
        return clients
      },
      close: () => server.stop(),
    }
  },
  postgres: async () => {
    const server = await PostgresServer.start(['fsync=off', 'synchronous_commit=off'])
    return {
      lane: async (lane, now) => {
        const schema = `lane_${lane}`
        const options = { url: server.url, schema, maxConnections: 1, forBudgets: false, now }
        return [await PostgresLedger.open(options), await PostgresLedger.open(options)]
      },
      close: () => server.stop(),
    }
  },
}

/** Lanes run beside each other, each with a clock and counters of its own. */
const usualLanes: Readonly<Record<string, number>> = { memory: 1, sqlite: 1, redis: 8, postgres: 4 }

export async function ledgerHistories(
  store: string,
  count: number,
  seed: number,
  lanes: number,
  onRound: (figures: HistoryFigures) => void,
): Promise<HistoryFigures> {
  const startedAt = performance.now()
  let [done, answers, unanswered] = [0, 0, 0]
  let wrong: string | undefined
  const figures = (): HistoryFigures => {
    const seconds = Math.round((performance.now() - startedAt) / 1000)
    return { store, histories: done, answers, unanswered, seconds, wrong }
  }
  for (let round = 0; done + unanswered < count && wrong === undefined; round += 1) {
    const live = await (stores[store] ?? unknownStore)()
    const each = Math.ceil(Math.min(perRound, count - done - unanswered) / lanes)
    const ran = await Promise.all(
      Array.from({ length: lanes }, (_, lane) =>
        runLane(live.lane, lane, each, seed + round * lanes + lane),
      ),
    )
    await live.close()
    for (const one of ran) {
      done += one.histories
      answers += one.answers
      unanswered += one.unanswered
      wrong ??= one.wrong
    }
    onRound(figures())
  }
  return figures()
}

async function runLane(
  open: OpenLane,
  lane: number,
  count: number,
  seed: number,
): Promise<Omit<HistoryFigures, 'store' | 'seconds'>> {
  let nowMs = 0
  let [done, answers, unanswered] = [0, 0, 0]
  const clients = await open(lane, () => nowMs)
  const property = fc.asyncProperty(histories, async (steps) => {
    done += 1
    const store = {
      clients,
      setNow: (to: number) => void (nowMs = to),
      prefix: `${done}/`,
      startMs: nowMs + betweenHistoriesMs,
    }
    const problem = await disagreement(steps, store).catch(whenAway)
    if (problem === isAway) {
      unanswered += 1
    } else if (problem === undefined) {
      answers += steps.filter((step) => step.do !== 'pass').length
    } else {
      throw new Error(problem)
    }
  })
  const result = await fc.check(property, { numRuns: count, seed })
  await Promise.all(clients.map((client) => client.close()))
  const wrong = result.failed
    ? `${String(result.errorInstance)}\n${fc.defaultReportMessage(result)}`
    : undefined
  return { histories: result.numRuns - unanswered, answers, unanswered, wrong }
}

const isAway = 'the store did not answer'

/** On a crowded machine: what became of the call is anybody's guess. */
function whenAway(error: unknown): string {
  if (error instanceof LedgerError && error.code === 'Unavailable') {
    return isAway
  }
  throw error
}

function unknownStore(): never {
  throw new Error(`--stores takes ${Object.keys(stores).join(', ')}`)
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      stores: { type: 'string', default: Object.keys(stores).join(',') },
      count: { type: 'string', default: '250000' },
      lanes: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
    },
  })
  console.log(`seed ${values.seed}`)
  for (const store of values.stores.split(',')) {
    const figures = await ledgerHistories(
      store,
      Number(values.count),
      Number(values.seed),
      Number(values.lanes ?? usualLanes[store]),
      (soFar) => process.stderr.write(`${JSON.stringify(soFar)}\n`),
    )
    console.log(JSON.stringify(figures))
    process.exitCode ||= figures.wrong === undefined ? 0 : 1
  }
}
