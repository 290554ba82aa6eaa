// Callers that leave at random bytes: the engine's running gauge back to its base, handles left, memory.
// Memory is compared after a warm-up: V8 lets a heap grow to its size under load once, about 180 MB here, and then stay.
//   node bin/run.mjs test/bars/disconnects.ts [--count 10000] [--warm-up 30000] [--concurrency 64]
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { call, rawPost } from '../support/http-caller.ts'
import { leaveAt, randomDeparture } from '../support/leaving-caller.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { UpProcess } from '../support/up-process.ts'

export interface DisconnectFigures {
  readonly disconnects: number
  readonly seconds: number
  /** From the last disconnect until the engine runs nothing. */
  readonly gaugeBackMs: number
  /** Open files of the gateway's process afterwards, less those before. */
  readonly handlesLeft: number
  readonly inFlightLeft: number
  /** Resident memory at ten moments, and what a thousand disconnects added in the second half (least squares). */
  readonly rssMb: readonly number[]
  readonly rssSlopeKbPer1000: number
}

export async function disconnects(
  count: number,
  warmUp: number,
  concurrency: number,
): Promise<DisconnectFigures> {
  const up = UpProcess.create({
    'pool.yaml': poolYaml(),
    'acme.yaml':
      tenantYaml('acme') +
      adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
  })
  try {
    await up.start()
    const port = Number(new URL(up.url).port)
    const key = up.key('acme')
    const engine = engineUrl(up.enginePids()[0] ?? 0)
    const body = {
      model: 'tickets',
      messages: [{ role: 'user', content: 'hello there' }],
      ignore_eos: true,
    }
    const path = '/v1/chat/completions'
    const requests = {
      stream: rawPost(path, key, { ...body, max_tokens: 900, stream: true }),
      whole: rawPost(path, key, { ...body, max_tokens: 30 }),
    }
    let left = 0
    const leave = async (total: number): Promise<void> => {
      const end = left + total
      const worker = async (): Promise<void> => {
        while (left < end) {
          left += 1
          await leaveAt(randomDeparture(port, requests, Math.random))
        }
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
    }
    await leave(warmUp)
    await untilIdle(engine)
    const handlesBefore = await settledFiles(up.servicePid)
    const before = residentMb(up.servicePid)
    left = 0
    const startedAt = performance.now()
    const rssMb = [before]
    for (let tenth = 1; tenth <= 10; tenth += 1) {
      await leave(Math.floor((count * tenth) / 10) - left)
      rssMb.push(residentMb(up.servicePid))
    }
    const endedAt = performance.now()
    const gaugeBackMs = await untilIdle(engine)
    const handlesLeft = (await settledFiles(up.servicePid)) - handlesBefore
    const answer = await call(`${up.url}${path}`, { key, body: { ...body, max_tokens: 2 } })
    if (answer.status !== 200) {
      throw new Error(`it does not serve any more: ${answer.text}`)
    }
    return {
      disconnects: left,
      seconds: Math.round((endedAt - startedAt) / 1000),
      gaugeBackMs: Math.round(gaugeBackMs),
      handlesLeft,
      inFlightLeft: await inFlight(up),
      rssMb,
      rssSlopeKbPer1000: Math.round(slope(rssMb.slice(5)) * 1024 * (10_000 / count)),
    }
  } finally {
    await up.dispose()
  }
}

/** The engine is a child on loopback; its command line says where. */
function engineUrl(pid: number): string {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  return `http://127.0.0.1:${args[args.indexOf('--port') + 1]}`
}

async function running(engine: string): Promise<number> {
  const answer = await request(`${engine}/metrics`)
  const text = await answer.body.text()
  return Number(/^vllm:num_requests_running\{[^}]*\} (\S+)/m.exec(text)?.[1])
}

/** Milliseconds until the engine runs nothing. */
async function untilIdle(engine: string): Promise<number> {
  const startedAt = performance.now()
  while ((await running(engine)) !== 0) {
    if (performance.now() - startedAt > 30_000) {
      throw new Error('the engine still runs requests of callers that left')
    }
  }
  return performance.now() - startedAt
}

async function inFlight(up: UpProcess): Promise<number> {
  const admin = /Operator:\s+(http:\/\/[^\s/]+)/.exec(up.output)?.[1] ?? ''
  const metrics = await (await request(`${admin}/metrics`)).body.text()
  return Number(/^loraplex_requests_in_flight (\S+)/m.exec(metrics)?.[1])
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Idle connections to the engine close after seconds; the number stands still then. */
async function settledFiles(pid: number): Promise<number> {
  let files = -1
  for (let same = 0; same < 12;) {
    const now = openFiles(pid)
    same = now === files ? same + 1 : 0
    files = now
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return files
}

/** By how much one value exceeds the one before, by least squares. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  const weights = values.map((_, at) => at - middle)
  const sum = (terms: readonly number[]): number => terms.reduce((total, term) => total + term, 0)
  return (
    sum(values.map((value, at) => value * (weights[at] ?? 0))) /
    sum(weights.map((weight) => weight * weight))
  )
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024)
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '10000' },
      'warm-up': { type: 'string', default: '30000' },
      concurrency: { type: 'string', default: '64' },
    },
  })
  const figures = await disconnects(
    Number(values.count),
    Number(values['warm-up']),
    Number(values.concurrency),
  )
  console.log(JSON.stringify(figures))
  process.exitCode =
    figures.gaugeBackMs <= 1000 && figures.handlesLeft <= 0 && figures.inFlightLeft === 0 ? 0 : 1
}
