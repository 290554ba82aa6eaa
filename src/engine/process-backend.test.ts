import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patience } from '../../test/support/eventually.ts'
import { createEndpointEngine } from './endpoint-backend.ts'
import { freePort } from './free-port.ts'
import { reapOrphans } from './pid-file.ts'
import { groupMembers, identify, isRunning } from './process-identity.ts'
import { createProcessEngine } from './process-backend.ts'
import type { ProcessEngineOptions } from './process-backend.ts'
import type { Engine, EngineState } from './types.ts'

/** A program that answers as far as a supervisor asks, and has a child of its own as vLLM has. */
const program = `
const { spawn } = require('node:child_process')
const { createServer } = require('node:http')
const [port, version, helper] = process.argv.slice(1)
const startTime = helper === 'old' ? 1 : Date.now() / 1000
if (helper === 'crash') { console.error('out of luck'); process.exit(3) }
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
console.log('helper', child.pid)
if (helper === 'deaf') process.on('SIGTERM', () => {})
else process.on('SIGTERM', () => process.exit(0))
createServer((request, response) => {
  if (request.url === '/die') process.exit(1)
  response.end(
    request.url === '/version' ? JSON.stringify({ version })
    : request.url === '/metrics' ? 'process_start_time_seconds ' + startTime + '\\n'
    : JSON.stringify({ data: [{ id: 'base', parent: null, owned_by: 'vllm' }] }),
  )
}).listen(Number(port), '127.0.0.1')
`

let stateFolder: string
const engines: Engine[] = []

beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), 'engine-'))
})

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop(1_000)))
  rmSync(stateFolder, { recursive: true })
})

async function anEngine(
  over: Partial<ProcessEngineOptions> = {},
  version = '0.32.0',
  mode = '',
): Promise<Engine> {
  const port = await freePort()
  const engine = createProcessEngine({
    name: 'pool-0',
    servedModelName: 'base',
    port,
    apiKey: undefined,
    stateFolder,
    command: () => ({
      file: process.execPath,
      args: ['-e', program, String(port), version, mode],
      env: {},
    }),
    startupTimeoutMs: 30_000,
    restartGraceMs: 1_000,
    delayMs: () => 10,
    ...over,
  })
  engines.push(engine)
  return engine
}

function isState(engine: Engine, state: EngineState['state']): Promise<void> {
  return vi.waitFor(() => expect(engine.state.state).toBe(state), { timeout: 20_000, interval: 5 })
}

function pidOf(name: string): number {
  const file = readFileSync(join(stateFolder, 'engines', `${name}.pid`), 'utf8')
  return (JSON.parse(file) as { engine: { pid: number } }).engine.pid
}

function signal(pid: number, name: NodeJS.Signals): void {
  process.kill(pid, name)
}

describe('an engine that is a child process', () => {
  it('becomes ready, and stops with everybody of its group', async () => {
    const engine = await anEngine()
    const seen: string[] = []
    engine.watch((state) => seen.push(state.state))
    engine.start()
    await isState(engine, 'Ready')
    const leader = identify(pidOf('pool-0'))!
    expect(groupMembers(leader)).toHaveLength(2)
    await engine.stop(1_000)
    expect(groupMembers(leader)).toEqual([])
    expect(existsSync(join(stateFolder, 'engines', 'pool-0.pid'))).toBe(false)
    expect(seen[0]).toBe('Stopped')
    expect(seen.slice(-2)).toEqual(['Ready', 'Stopped'])
  })

  it('is killed when it does not hear SIGTERM', async () => {
    const engine = await anEngine({}, '0.32.0', 'deaf')
    engine.start()
    await isState(engine, 'Ready')
    const leader = identify(pidOf('pool-0'))!
    await engine.stop(100)
    expect(isRunning(leader)).toBe(false)
  })

  it('comes back after a kill, and its death is noticed at once', async () => {
    const engine = await anEngine()
    engine.start()
    await isState(engine, 'Ready')
    const leader = identify(pidOf('pool-0'))!
    signal(leader.pid, 'SIGKILL')
    await vi.waitFor(() => expect(engine.state.state).not.toBe('Ready'), {
      timeout: 500,
      interval: 2,
    })
    await isState(engine, 'Ready')
    expect(pidOf('pool-0')).not.toBe(leader.pid)
    expect(groupMembers(leader)).toEqual([]) // its own child did not outlive it
  })

  it('fails with the last words of its log, and goes on trying', async () => {
    let starts = 0
    const port = await freePort()
    const engine = await anEngine({
      port,
      command: () => {
        starts += 1
        const mode = starts <= 6 ? 'crash' : ''
        return {
          file: process.execPath,
          args: ['-e', program, String(port), '0.32.0', mode],
          env: {},
        }
      },
    })
    engine.start()
    await isState(engine, 'Failed')
    expect(engine.state).toMatchObject({
      reason: 'EngineCrashLoop',
      message: expect.stringMatching(/ended with code 3[^]*out of luck/) as string,
    })
    await isState(engine, 'Ready')
    expect(starts).toBe(7)
  })

  it('fails for good when it is too old, with words that name the version', async () => {
    let starts = 0
    const port = await freePort()
    const engine = await anEngine({
      port,
      command: () => {
        starts += 1
        return {
          file: process.execPath,
          args: ['-e', program, String(port), '0.31.2', ''],
          env: {},
        }
      },
    })
    engine.start()
    await isState(engine, 'Failed')
    expect(engine.state).toMatchObject({
      reason: 'EngineTooOld',
      message: expect.stringContaining('vLLM 0.31.2') as string,
    })
    expect(starts).toBe(1)
  })

  it('fails with words when there is no such program', async () => {
    const engine = await anEngine({
      command: () => ({ file: join(stateFolder, 'nothing'), args: [], env: {} }),
    })
    engine.start()
    await isState(engine, 'Failed')
    expect(engine.state).toMatchObject({ message: expect.stringContaining('ENOENT') as string })
  })

  it('is not taken for ready when an older process answers in its place', async () => {
    const engine = await anEngine({}, '0.32.0', 'old')
    engine.start()
    await vi.waitFor(
      () =>
        expect(engine.state).toMatchObject({
          state: 'Starting',
          detail: expect.stringContaining('started earlier') as string,
        }),
      { timeout: 10_000, interval: 5 },
    )
  })

  it('is started again past its startup timeout', async () => {
    let starts = 0
    const engine = await anEngine({
      startupTimeoutMs: 50,
      command: () => {
        starts += 1
        return { file: process.execPath, args: ['-e', 'setInterval(() => {}, 1e6)'], env: {} }
      },
    })
    engine.start()
    await vi.waitFor(() => expect(starts).toBeGreaterThan(1), { timeout: 5_000 })
  })

  it('restarts on request as another process on the same address', async () => {
    const engine = await anEngine()
    engine.start()
    await isState(engine, 'Ready')
    const { url } = engine.address
    const first = pidOf('pool-0')
    expect(await engine.restart('ghosts')).toBe(true)
    await isState(engine, 'Ready')
    expect(pidOf('pool-0')).not.toBe(first)
    expect(engine.address.url).toBe(url)
  })

  it('hands no setting of ours to the engine', async () => {
    vi.stubEnv('LORAPLEX_ADMIN_SECRET', 'secret')
    vi.stubEnv('VLLM_SERVER_DEV_MODE', '1')
    const script =
      'console.log("saw", process.env.LORAPLEX_ADMIN_SECRET, process.env.VLLM_SERVER_DEV_MODE, process.env.MINE)'
    const engine = await anEngine({
      command: () => ({ file: process.execPath, args: ['-e', script], env: { MINE: 'yes' } }),
    })
    engine.start()
    const log = join(stateFolder, 'engines', 'pool-0.log')
    await vi.waitFor(
      () => expect(readFileSync(log, 'utf8')).toContain('saw undefined undefined yes'),
      patience,
    )
    vi.unstubAllEnvs()
  })
})

describe('engines that a killed process left behind', () => {
  it('are ended at the next start, with their children', async () => {
    const port = await freePort()
    // The owner is a process of its own, so that it can be killed as a user's would be.
    const owner = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { createProcessEngine } from ${JSON.stringify(join(import.meta.dirname, 'process-backend.ts'))}
         const args = ['-e', ${JSON.stringify(program)}, '${port}', '0.32.0', '']
         const engine = createProcessEngine({
           name: 'left', servedModelName: 'base', port: ${port}, apiKey: undefined,
           stateFolder: ${JSON.stringify(stateFolder)}, startupTimeoutMs: 30000, restartGraceMs: 1000,
           command: () => ({ file: process.execPath, args, env: {} }),
         })
         engine.watch((state) => console.log(state.state))
         engine.start()`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let printed = ''
    owner.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    await vi.waitFor(() => expect(printed).toContain('Ready'), { timeout: 20_000 })
    const leader = identify(pidOf('left'))!

    expect(await reapOrphans(stateFolder)).toEqual([]) // its owner lives: it is no orphan
    expect(isRunning(leader)).toBe(true)

    owner.kill('SIGKILL')
    await vi.waitFor(() => expect(identify(owner.pid!)).toBeUndefined(), patience)
    expect(await reapOrphans(stateFolder)).toEqual(['left'])
    expect(groupMembers(leader)).toEqual([])
    expect(await reapOrphans(stateFolder)).toEqual([])
  }, 30_000)

  it('are never confused with a process that reuses the id', async () => {
    const engine = await anEngine()
    engine.start()
    await isState(engine, 'Ready')
    const path = join(stateFolder, 'engines', 'pool-0.pid')
    const written = JSON.parse(readFileSync(path, 'utf8')) as {
      engine: { pid: number; startTime: string }
      owner: { startTime: string }
    }
    const innocent = identify(written.engine.pid)!
    written.owner.startTime = '1'
    written.engine.startTime = '1'
    writeFileSync(path, JSON.stringify(written))
    expect(await reapOrphans(stateFolder)).toEqual([])
    expect(isRunning(innocent)).toBe(true)
  })
})

describe('an engine that already runs elsewhere', () => {
  it('is watched, and another process at its address is told apart', async () => {
    const child = await anEngine()
    const endpoint = createEndpointEngine({
      name: 'far-0',
      address: child.address,
      servedModelName: 'base',
      adapterRoot: '/mnt/adapters',
      pollMs: 20,
    })
    engines.push(endpoint)
    const seen: string[] = []
    endpoint.watch((state) => seen.push(state.state))
    endpoint.start()
    await isState(endpoint, 'Restarting') // nobody there yet
    child.start()
    await isState(endpoint, 'Ready')
    const before = seen.length
    await child.restart('test')
    await vi.waitFor(() => expect(seen.slice(before)).toEqual(['Restarting', 'Ready']), {
      timeout: 20_000,
    })
    expect(await endpoint.restart('test')).toBe(false)
  })

  it('fails with words when it serves something else', async () => {
    const child = await anEngine()
    child.start()
    await isState(child, 'Ready')
    const endpoint = createEndpointEngine({
      name: 'far-0',
      address: child.address,
      servedModelName: 'other-base',
      adapterRoot: undefined,
      pollMs: 20,
    })
    engines.push(endpoint)
    endpoint.start()
    await isState(endpoint, 'Failed')
    expect(endpoint.state).toMatchObject({
      reason: 'WrongEngine',
      message: 'It serves base, not other-base.',
    })
  })
})
