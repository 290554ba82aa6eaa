// YAML saved → first token through the gateway, a slot free.
//   node bin/run.mjs test/bars/apply-latency.ts [--engine simulator|vllm] [--rounds 40]
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import {
  adapterYaml,
  fixtures,
  poolYaml,
  quantile,
  tenantYaml,
  TestService,
  variantOf,
} from '../support/service.ts'

export interface ApplyFigures {
  readonly engine: string
  readonly rounds: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly maxMs: number
}

export async function applyLatency(
  engine: 'simulator' | 'vllm',
  rounds: number,
): Promise<ApplyFigures> {
  const service = await TestService.start({
    engine,
    files: {
      'pool.yaml': poolYaml({ maxCpuLoras: rounds + 16 }),
      'acme.yaml':
        tenantYaml('acme') +
        adapterYaml('acme', 'ready', join(fixtures, 'adapters', 'acme-tickets')),
    },
  })
  try {
    await service.untilReady('acme/ready')
    const took: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const source = variantOf('globex-shout', round, join(service.folder, '.sources'))
      const text = adapterYaml('acme', `adapter-${round}`, source)
      const startedAt = performance.now()
      service.save(`adapter-${round}.yaml`, text)
      while ((await service.timeToFirstToken('acme', `adapter-${round}`)) === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      took.push(performance.now() - startedAt)
    }
    return {
      engine,
      rounds,
      p50Ms: quantile(took, 0.5),
      p95Ms: quantile(took, 0.95),
      maxMs: Math.max(...took),
    }
  } finally {
    await service.close()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'simulator' },
      rounds: { type: 'string', default: '40' },
    },
  })
  const figures = await applyLatency(
    values.engine === 'vllm' ? 'vllm' : 'simulator',
    Number(values.rounds),
  )
  console.log(JSON.stringify(figures))
  process.exitCode = figures.p95Ms <= (figures.engine === 'vllm' ? 2000 : 1000) ? 0 : 1
}
