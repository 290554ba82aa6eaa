import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { request } from 'undici'
import { launchArguments } from '../engine/launch-arguments.ts'
import { optionsFromVllmFlags } from './vllm-flags.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL')
  }
})

const model = join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'tiny-llama')

function serve(port: number) {
  const { args, env } = launchArguments(
    {
      modelPath: model,
      servedModelName: 'base-0123456789ab',
      task: 'Generate',
      takesImages: false,
      maxLoras: 3,
      maxCpuLoras: 9,
      maxRank: 32,
      loraDtype: 'Auto',
      maxModelLen: undefined,
      quantization: undefined,
      tensorParallel: 1,
      pipelineParallel: 1,
      dataParallel: 1,
      extraArgs: ['--enforce-eager', '--max-num-seqs', '7'],
      drainTimeoutSeconds: 5,
    },
    { host: '127.0.0.1', port, apiKey: 'secret' },
  )
  return { args, env }
}

describe('the command line of vllm serve', () => {
  it('sets the simulator up as it would vLLM', () => {
    const { args, env } = serve(8123)
    expect(optionsFromVllmFlags(args, env)).toMatchObject({
      modelPath: model,
      servedModelNames: ['base-0123456789ab'],
      host: '127.0.0.1',
      port: 8123,
      enableLora: true,
      runtimeLora: true,
      maxLoras: 3,
      maxCpuLoras: 9,
      maxRank: 32,
      maxNumSeqs: 7,
      apiKey: 'secret',
      forceIncludeUsage: true,
      promptTokensDetails: true,
      fingerprint: false,
      drainMs: 5_000,
      faults: false,
    })
  })

  it('has the defaults of vLLM', () => {
    expect(optionsFromVllmFlags(['serve', 'org/name'], {})).toMatchObject({
      modelPath: 'org/name',
      port: 8000,
      enableLora: false,
      runtimeLora: false,
      forceIncludeUsage: false,
      fingerprint: true,
      drainMs: 0,
    })
  })

  it('takes values after an equals sign, underscores, several names and modules', () => {
    const args = [
      '--max_loras=2',
      '--served-model-name',
      'a',
      'b',
      '--lora-modules',
      'x=/x',
      '{"name":"y","path":"/y"}',
    ]
    expect(optionsFromVllmFlags(args, {})).toMatchObject({
      maxLoras: 2,
      servedModelNames: ['a', 'b'],
      loraModules: [
        { name: 'x', path: '/x' },
        { name: 'y', path: '/y' },
      ],
    })
  })

  it('refuses what is no number and no profile', () => {
    expect(() => optionsFromVllmFlags(['--port', 'x'], {})).toThrow(
      "--port takes a whole number, not 'x'",
    )
    expect(() => optionsFromVllmFlags(['--profile', 'x'], {})).toThrow("there is no profile 'x'")
  })
})

describe('the process', () => {
  it('serves on the launch arguments of the engine and ends on SIGTERM', async () => {
    const port = 20_000 + Math.floor(Math.random() * 20_000)
    const { args, env } = serve(port)
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    })
    children.push(child)
    const version = () =>
      request(`http://127.0.0.1:${port}/version`).then(
        ({ body }) => body.text(),
        () => undefined,
      )
    await expect.poll(version, { timeout: 10_000 }).toBe('{"version":"0.32.0"}')
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  }, 20_000)

  it('says in one line why it does not start', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--port', 'x'])
    children.push(child)
    let words = ''
    child.stderr.on('data', (chunk) => (words += String(chunk)))
    expect(await once(child, 'exit')).toEqual([2, null])
    expect(words).toBe("--port takes a whole number, not 'x'\n")
  }, 20_000)
})
