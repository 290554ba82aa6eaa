// A million requests that no client would send, to a gateway in a process of its own: each gets a typed refusal in its
// route's words, or the answer it deserves; the process stays, the engine sees nothing that was refused, and no turn of the
// gateway's event loop takes more than 10 ms of CPU.
//   node bin/run.mjs test/bars/fuzz.ts [--seed 1] [--cases 1000000] [--from 0] [--connections 64] [--case N]
// With --steps it sends one after another instead, the largest bodies among them, and measures what a turn takes.
//   node bin/run.mjs test/bars/fuzz.ts --steps [--cases 5000]
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FuzzedGateway } from '../support/fuzz/fuzzed-gateway.ts'
import { goodRequest } from '../support/fuzz/good-request.ts'
import { faultOf } from '../support/fuzz/judge-answer.ts'
import { largeShapes, type LargeShape } from '../support/fuzz/large-shapes.ts'
import { RawConnection } from '../support/fuzz/raw-connection.ts'
import { Fuzzer, type FuzzFault } from '../support/fuzz/fuzzer.ts'
import type { GatewayReport } from '../support/fuzz/gateway-process.ts'
import { JudgingEngine } from '../support/fuzz/judging-engine.ts'

export interface FuzzFigures {
  readonly seed: number
  readonly cases: number
  readonly seconds: number
  /** By what was wrong, how often it ended in which status. */
  readonly ends: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly faults: readonly (FuzzFault | string)[]
  readonly rssMb: readonly [before: number, after: number]
  readonly besideMs: { readonly p50: number; readonly p99: number; readonly most: number }
}

export async function fuzz(
  seed: number,
  from: number,
  to: number,
  connections: number,
): Promise<FuzzFigures> {
  const engine = await JudgingEngine.start()
  const gateway = await FuzzedGateway.start(engine.url)
  const startedAt = performance.now()
  try {
    const fuzzer = new Fuzzer(gateway.port, seed)
    const warm = from + Math.floor((to - from) / 10)
    await fuzzer.run(from, warm, connections)
    const before = await gateway.report()
    await fuzzer.run(warm, to, connections)
    const after = await untilIdle(gateway)
    const faults: (FuzzFault | string)[] = [...fuzzer.faults, ...engine.faults.slice(0, 20)]
    if (after.inFlight > 0) {
      faults.push(`${after.inFlight} requests are still in flight`)
    }
    if (gateway.ended !== undefined || after.pid !== gateway.pid) {
      faults.push(gateway.ended ?? 'another process')
    }
    if (after.errors > 0) {
      faults.push(`${after.errors} errors in the gateway's log`)
    }
    const answered = fuzzer.fromEngine + fuzzer.refusedByEngine
    if (engine.seen !== answered) {
      faults.push(`the engine saw ${engine.seen} requests, ${answered} of its answers came out`)
    }
    const beside = fuzzer.beside.sort((one, other) => one - other)
    const at = (share: number): number => round(beside[Math.floor(beside.length * share)] ?? 0)
    return {
      seed,
      cases: to - from,
      seconds: Math.round((performance.now() - startedAt) / 1000),
      ends: Object.fromEntries(
        [...fuzzer.counts].map(([kind, ends]) => [kind, Object.fromEntries(ends)]),
      ),
      faults,
      rssMb: [before.rssMb, after.rssMb],
      besideMs: { p50: at(0.5), p99: at(0.99), most: round(beside.at(-1) ?? 0) },
    }
  } finally {
    await gateway.end()
    await engine.close()
  }
}

export interface StepFigures {
  readonly turns: number
  /** The longest turns under small requests, one at a time. */
  readonly small: GatewayReport['longest']
  /** The longest turns under each of the largest bodies. */
  readonly large: Readonly<
    Record<string, { readonly status: string; readonly turns: GatewayReport['longest'] }>
  >
}

/** One request at a time, so that a turn of the event loop is hardly more than one of its steps. */
export async function steps(seed: number, cases: number, rounds: number): Promise<StepFigures> {
  const engine = await JudgingEngine.start()
  const gateway = await FuzzedGateway.start(engine.url)
  try {
    const fuzzer = new Fuzzer(gateway.port, seed)
    // So that its code is compiled.
    await fuzzer.run(0, cases, 8)
    gateway.measure()
    await fuzzer.run(cases, 2 * cases, 1)
    const small = await gateway.report()
    const large: Record<string, StepFigures['large'][string]> = {}
    for (const [name, shape] of Object.entries(largeShapes)) {
      gateway.reset()
      const answers: (number | string)[] = []
      for (let round = 0; round < rounds; round += 1) {
        answers.push(await sendLarge(gateway.port, shape))
      }
      const { longest } = await gateway.report()
      large[name] = { status: answers.join(' '), turns: longest.slice(0, 3) }
    }
    return { turns: small.turns, small: small.longest.slice(0, 10), large }
  } finally {
    await gateway.end()
    await engine.close()
  }
}

async function sendLarge(
  port: number,
  { path, body, chunkBytes }: LargeShape,
): Promise<number | string> {
  const connection = await RawConnection.open(port)
  try {
    const request = goodRequest(path, body())
    connection.write(chunkBytes === undefined ? request : inChunks(request, chunkBytes))
    const answer = await connection.next(60_000)
    return answer === undefined ? 'none' : (faultOf(answer) ?? answer.status)
  } finally {
    connection.destroy()
  }
}

function inChunks(request: string, chunkBytes: number): string {
  const end = request.indexOf('\r\n\r\n')
  const head = request.slice(0, end).replace(/content-length: \d+/, 'transfer-encoding: chunked')
  const size = chunkBytes.toString(16)
  const chunks = request.slice(end + 4).matchAll(new RegExp(`[^]{1,${chunkBytes}}`, 'g'))
  const pieces = Array.from(
    chunks,
    ([piece]) =>
      `${piece.length === chunkBytes ? size : piece.length.toString(16)}\r\n${piece}\r\n`,
  )
  return `${head}\r\n\r\n${pieces.join('')}0\r\n\r\n`
}

async function untilIdle(gateway: FuzzedGateway): Promise<GatewayReport> {
  const deadline = performance.now() + 30_000
  for (;;) {
    const report = await gateway.report()
    if (report.inFlight === 0 || performance.now() > deadline) {
      return report
    }
    await delay(20)
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      cases: { type: 'string', default: '1000000' },
      from: { type: 'string', default: '0' },
      case: { type: 'string' },
      connections: { type: 'string', default: '64' },
      steps: { type: 'boolean', default: false },
    },
  })
  if (values.steps) {
    const cases = values.cases === '1000000' ? 5000 : Number(values.cases)
    console.log(JSON.stringify(await steps(Number(values.seed), cases, 3), undefined, 1))
    process.exit()
  }
  const from = Number(values.case ?? values.from)
  const to = values.case === undefined ? from + Number(values.cases) : from + 1
  const figures = await fuzz(Number(values.seed), from, to, Number(values.connections))
  console.log(JSON.stringify(figures, undefined, 1))
  process.exitCode = figures.faults.length === 0 ? 0 : 1
}
