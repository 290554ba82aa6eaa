// Wrong answers under churn: two adapters swap their sources, both in one file save, while requests run.
//   node bin/run.mjs test/bars/churn.ts [--swaps 1000] [--requests 100000]
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { digestFolder } from '../../src/artifacts/digest.ts'
import {
  adapterYaml,
  fixtures,
  poolYaml,
  quantile,
  tenantYaml,
  TestService,
} from '../support/service.ts'

export interface ChurnFigures {
  readonly swaps: number
  readonly requests: number
  readonly wrong: number
  readonly failed: number
  readonly swapMs: { readonly p50: number; readonly p95: number; readonly max: number }
}

const contents = ['acme-tickets', 'globex-shout'] as const

export async function churn(
  swaps: number,
  requests: number,
  concurrency = 8,
): Promise<ChurnFigures> {
  const paths = contents.map((name) => join(fixtures, 'adapters', name))
  const digests = await Promise.all(paths.map((path) => digestFolder(path)))
  const tags = digests.map((digest) => digest.slice(0, 12))
  const swapFile = (turn: number): string =>
    tenantYaml('acme') +
    adapterYaml('acme', 'first', paths[turn % 2] ?? '') +
    adapterYaml('acme', 'second', paths[(turn + 1) % 2] ?? '')
  const service = await TestService.start({
    files: {
      'pool.yaml': poolYaml({ args: ['--profile', 'instant', '--answer-tokens', '4'] }),
      'acme.yaml': swapFile(0),
    },
  })
  try {
    await service.untilReady('acme/first', 'acme/second')
    let turn = 0
    /** Rises when a swap is saved and again when both statuses tell of it: odd while in between. */
    let phase = 0
    let sent = 0
    let wrong = 0
    let failed = 0
    let swapping = true
    const swapMs: number[] = []
    const call = async (index: number): Promise<void> => {
      const place = index % 2
      const before = phase
      const expected = tags[(turn + place) % 2] ?? ''
      const { status, text, body } = await service.chat('acme', place === 0 ? 'first' : 'second', {
        messages: [{ role: 'user', content: `question ${index}` }],
      })
      const tag = text.split(' ', 1)[0] ?? ''
      const overlapped = before % 2 === 1 || phase !== before
      if (status !== 200) {
        failed += 1
        process.stderr.write(`request ${index}: ${status} ${body.slice(0, 200)}\n`)
      } else if (overlapped ? !tags.includes(tag) : tag !== expected) {
        wrong += 1
        process.stderr.write(`request ${index}: answered by ${tag}, wanted ${expected}\n`)
      }
    }
    const worker = async (): Promise<void> => {
      while (sent < requests || swapping) {
        sent += 1
        await call(sent)
      }
    }
    const workers = Array.from({ length: concurrency }, worker)
    for (let swap = 1; swap <= swaps; swap += 1) {
      const startedAt = performance.now()
      const next = swap
      phase += 1
      service.save('acme.yaml', swapFile(next))
      await Promise.all(
        ['acme/first', 'acme/second'].map((key, place) =>
          service.untilAdapter(
            key,
            ({ status }) =>
              status === 'True' && service.activeDigest(key) === digests[(next + place) % 2],
          ),
        ),
      )
      turn = next
      phase += 1
      swapMs.push(performance.now() - startedAt)
      if (swap % 50 === 0) {
        process.stderr.write(`${swap} swaps, ${sent} requests, ${wrong} wrong, ${failed} failed\n`)
      }
    }
    swapping = false
    await Promise.all(workers)
    return {
      swaps,
      requests: sent,
      wrong,
      failed,
      swapMs: { p50: quantile(swapMs, 0.5), p95: quantile(swapMs, 0.95), max: Math.max(...swapMs) },
    }
  } finally {
    await service.close()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      swaps: { type: 'string', default: '1000' },
      requests: { type: 'string', default: '100000' },
    },
  })
  const figures = await churn(Number(values.swaps), Number(values.requests))
  console.log(JSON.stringify(figures))
  process.exitCode = figures.wrong + figures.failed === 0 ? 0 : 1
}
