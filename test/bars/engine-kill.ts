// The engine is killed with streams open.
//   node bin/run.mjs test/bars/engine-kill.ts [--engine simulator|vllm] [--streams 50] [--adapters 20]
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { adapterYaml, poolYaml, tenantYaml, TestService, variantOf } from '../support/service.ts'

export interface KillFigures {
  readonly engine: string
  readonly streams: number
  /** Streams that ended in exactly one error frame and `[DONE]`. */
  readonly endedWell: number
  /** Other requests around the kill, by status. */
  readonly others: Readonly<Record<string, number>>
  /** From the engine's first answer after the kill to the last adapter routable. */
  readonly routableMs: number
  readonly outageMs: number
}

export async function engineKill(
  engine: 'simulator' | 'vllm',
  streams: number,
  adapters: number,
): Promise<KillFigures> {
  const slow = engine === 'simulator' ? ['--step-ms', '20'] : []
  const names = Array.from({ length: adapters }, (_, index) => `adapter-${index}`)
  const service = await TestService.start({
    engine,
    maxQueueMs: 600_000,
    files: { 'pool.yaml': poolYaml({ args: slow }), 'acme.yaml': tenantYaml('acme') },
  })
  let asking = true
  try {
    const sources = names.map((_, index) =>
      variantOf('globex-shout', index, join(service.folder, '.sources')),
    )
    service.save(
      'adapters.yaml',
      names.map((name, index) => adapterYaml('acme', name, sources[index] ?? '')).join(''),
    )
    await service.untilReady(...names.map((name) => `acme/${name}`))

    let started = 0
    const open = Array.from({ length: streams }, (_, index) =>
      service.stream(
        'acme',
        names[index % 2] ?? '',
        {
          max_tokens: 900,
          ignore_eos: true,
          messages: [{ role: 'user', content: `tell me a long story ${index}` }],
        },
        () => (started += 1),
      ),
    )
    await until(() => started === streams, 60_000)
    const processOf = (): string => service.standalone.gateway.views()[0]?.engineProcess ?? ''
    const killed = processOf()
    const killedAt = performance.now()
    for (const pid of service.enginePids()) {
      process.kill(-pid, 'SIGKILL')
    }
    const others: Record<string, number> = {}
    const asker = async (index: number): Promise<void> => {
      while (asking) {
        const { status } = await service.chat('acme', names[index % names.length] ?? '', {
          max_tokens: 4,
        })
        others[status] = (others[status] ?? 0) + 1
      }
    }
    const askers = Array.from({ length: 8 }, (_, index) => asker(index))
    const isBack = (): boolean => !['', killed].includes(processOf())
    await until(isBack, 600_000)
    const upAt = performance.now()
    await service.untilReady(...names.map((name) => `acme/${name}`))
    const routableAt = performance.now()
    asking = false
    await Promise.all(askers)
    const results = await Promise.all(open)
    return {
      engine,
      streams,
      endedWell: results.filter(endsInOneError).length,
      others,
      routableMs: Math.round(routableAt - upAt),
      outageMs: Math.round(upAt - killedAt),
    }
  } finally {
    asking = false
    await service.close()
  }
}

function endsInOneError(body: string): boolean {
  const errors = body.split('\n\n').filter((frame) => frame.startsWith('data: {"error"'))
  const frames = body.trimEnd().split('\n\n')
  return errors.length === 1 && frames.at(-2) === errors[0] && frames.at(-1) === 'data: [DONE]'
}

async function until(isSo: () => boolean, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!isSo()) {
    if (Date.now() > deadline) {
      throw new Error(`not so after ${withinMs} ms: ${isSo.toString()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'simulator' },
      streams: { type: 'string', default: '50' },
      adapters: { type: 'string', default: '20' },
    },
  })
  const figures = await engineKill(
    values.engine === 'vllm' ? 'vllm' : 'simulator',
    Number(values.streams),
    Number(values.adapters),
  )
  console.log(JSON.stringify(figures))
  const served = Object.keys(figures.others).every((status) => status === '200')
  process.exitCode =
    figures.endedWell === figures.streams && served && figures.routableMs <= 5000 ? 0 : 1
}
