/**
 * The load generator, a process of its own: reads one `LoadJob` from stdin, writes one `LoadResult` to stdout. The watched
 * process is sampled here, right before and after the measured part, so no message between processes blurs the window.
 */
import process from 'node:process'
import { performance } from 'node:perf_hooks'
import { text } from 'node:stream/consumers'
import { sampleTree } from './cpu.ts'
import { Callers } from './load/arrivals.ts'
import type { LoadJob, LoadResult, RssSample } from './load/job.ts'
import type { Recorder } from './load/recorder.ts'
import { StoppedReader } from './load/stopped-reader.ts'

const rssIntervalMs = 500
const heldRssIntervalMs = 5_000

function requestBytes(job: LoadJob, url: URL, body: string): Buffer {
  const bytes = Buffer.from(body)
  const headers = {
    host: url.host,
    'content-type': 'application/json',
    'content-length': String(bytes.length),
    ...job.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${job.path} HTTP/1.1\r\n${lines.join('')}\r\n`), bytes])
}

async function runPhase(callers: Callers, job: LoadJob, isWarmup: boolean): Promise<Recorder> {
  const { arrivals } = job
  switch (arrivals.kind) {
    case 'Closed':
      return callers.closedLoop(isWarmup ? arrivals.warmup : arrivals.requests)
    case 'Open': {
      const seconds = isWarmup ? arrivals.warmupSeconds : arrivals.seconds
      return callers.openLoop(arrivals.requestsPerSecond, seconds)
    }
    case 'Held':
      return callers.held(arrivals.connections, arrivals.seconds)
    default:
      return arrivals satisfies never
  }
}

function hasWarmup({ arrivals }: LoadJob): boolean {
  switch (arrivals.kind) {
    case 'Closed':
      return arrivals.warmup > 0
    case 'Open':
      return arrivals.warmupSeconds > 0
    case 'Held':
      return false
    default:
      return arrivals satisfies never
  }
}

/** Those who do not read, of a `Held` load. */
function stoppedReaders(job: LoadJob, url: URL): StoppedReader[] {
  const { arrivals } = job
  if (arrivals.kind !== 'Held') {
    return []
  }
  const { body, connections, holdMs } = arrivals.stopped
  const request = requestBytes(job, url, body)
  const options = { host: url.hostname, port: Number(url.port), request, holdMs }
  return Array.from({ length: connections }, () => new StoppedReader(options))
}

async function measure(
  callers: Callers,
  stopped: readonly StoppedReader[],
  job: LoadJob,
): Promise<LoadResult> {
  const watch = () =>
    job.watchPid === undefined ? { cpuSeconds: 0, rssBytes: 0 } : sampleTree(job.watchPid)
  let rssBytesMax = 0
  const rss: RssSample[] = []
  const isHeld = job.arrivals.kind === 'Held'
  const rssTimer = setInterval(
    () => {
      const { rssBytes } = watch()
      rssBytesMax = Math.max(rssBytesMax, rssBytes)
      if (isHeld) {
        rss.push({ seconds: (performance.now() - start) / 1000, bytes: rssBytes })
      }
    },
    isHeld ? heldRssIntervalMs : rssIntervalMs,
  )
  const over = new AbortController()
  const ownBefore = process.cpuUsage()
  const before = watch()
  const start = performance.now()
  for (const reader of stopped) {
    void reader.run(over.signal)
  }
  const recorder = await runPhase(callers, job, false)
  const wallSeconds = (performance.now() - start) / 1000
  const after = watch()
  const own = process.cpuUsage(ownBefore)
  clearInterval(rssTimer)
  over.abort()
  return {
    requests: recorder.requests,
    errors: recorder.errors,
    firstError: recorder.firstError,
    faults: Object.fromEntries(recorder.faults),
    frames: recorder.frames,
    completionTokens: recorder.completionTokens,
    wallSeconds,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    rssBytesMax: Math.max(rssBytesMax, after.rssBytes),
    rssBytesAtEnd: after.rssBytes,
    rss,
    stopped: {
      begun: stopped.reduce((sum, { begun }) => sum + begun, 0),
      cut: stopped.reduce((sum, { cut }) => sum + cut, 0),
    },
    generatorCpuSeconds: (own.user + own.system) / 1e6,
    latencyMs: recorder.latency.percentiles(),
    firstByteMs: recorder.firstByte.percentiles(),
    gapMs: recorder.gap.percentiles(),
    lagMs: recorder.lag.percentiles(),
  }
}

async function run(job: LoadJob): Promise<LoadResult> {
  const url = new URL(job.url)
  const requests = job.bodies.map((body) => requestBytes(job, url, body))
  const options = { host: url.hostname, port: Number(url.port), wantFrames: job.wantFrames }
  const callers = new Callers(options, requests)
  try {
    if (job.arrivals.kind !== 'Held') {
      await callers.open(job.arrivals.kind === 'Closed' ? job.arrivals.connections : 1)
    }
    if (hasWarmup(job)) {
      await runPhase(callers, job, true)
    }
    return await measure(callers, stoppedReaders(job, url), job)
  } finally {
    callers.close()
  }
}

const job = JSON.parse(await text(process.stdin)) as LoadJob
process.stdout.write(`${JSON.stringify(await run(job))}\n`)
