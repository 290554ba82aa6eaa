import { spawn } from 'node:child_process'
import { createWriteStream, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { prepareVllmCpu } from '../../scripts/vllm-cpu.ts'
import { freePort } from '../../src/engine/free-port.ts'
import { createEngineClient } from '../../src/engine/http-client.ts'
import { launchArguments } from '../../src/engine/launch-arguments.ts'
import { startSimulator } from '../../src/sim/server.ts'

/** How the engine under test is set up, whatever it is. */
export interface ContractOptions {
  readonly task: 'Generate' | 'Embed'
  /** `--enable-auto-tool-choice` and a parser: what a pool's `engine.args` may hold. */
  readonly toolCalls: boolean
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly maxRank: number
  readonly modelPath: string
  readonly servedModelName: string
  readonly apiKey: string | undefined
  readonly runtimeLora: boolean
  readonly maxModelLen: number
  /** Usage forced, cached tokens shown, no fingerprint: as we launch it. Else: vLLM's defaults. */
  readonly asLaunched: boolean
  readonly drainSeconds: number
}

export interface ContractEngine {
  readonly url: string
  readonly apiKey: string | undefined
  /** Resolves when the process (or what stands for it) is over. */
  readonly ended: Promise<void>
  /** SIGTERM, and at once back: `ended` tells when it is over. */
  terminate(): void
  /** SIGKILL after a moment; nothing is left. */
  stop(): Promise<void>
}

export interface Implementation {
  readonly name: string
  /** From a request to answers on a machine that does other things too. */
  readonly start: (options: ContractOptions) => Promise<ContractEngine>
}

export const simulator: Implementation = {
  name: 'the simulator',
  start: async (options) => {
    let over = (): void => undefined
    const ended = new Promise<void>((resolve) => (over = resolve))
    const simulated = await startSimulator({
      modelPath: options.modelPath,
      servedModelNames: [options.servedModelName],
      maxModelLen: options.maxModelLen,
      maxLoras: options.maxLoras,
      maxCpuLoras: options.maxCpuLoras,
      maxRank: options.maxRank,
      maxNumSeqs: 16,
      task: options.task,
      toolCalls: options.toolCalls,
      ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
      runtimeLora: options.runtimeLora,
      forceIncludeUsage: options.asLaunched,
      promptTokensDetails: options.asLaunched,
      fingerprint: !options.asLaunched,
      drainMs: options.drainSeconds * 1_000,
      onExit: over,
    })
    return {
      url: simulated.url,
      apiKey: options.apiKey,
      ended,
      terminate: () => void simulated.drain().then(over),
      stop: () => simulated.close(),
    }
  },
}

const startLimitMs = 800_000

export const vllm: Implementation = {
  name: 'vLLM',
  start: async (options) => {
    const executable = await prepareVllmCpu()
    const port = await freePort()
    const command = vllmCommand(options, port)
    const log = createWriteStream(join(tmpdir(), `contract-vllm-${process.pid}-${port}.log`), {
      flags: 'a',
    })
    const child = spawn(executable, command.args, {
      env: { ...process.env, ...command.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    child.stdout.pipe(log)
    child.stderr.pipe(log)
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const killGroup = () => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL')
      } catch {
        // All of it is gone.
      }
    }
    const url = `http://127.0.0.1:${port}`
    const client = createEngineClient({ url, apiKey: options.apiKey })
    const deadline = Date.now() + startLimitMs
    while (!(await client.version().catch(() => undefined))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        killGroup()
        throw new Error(`vLLM did not start (exit code ${child.exitCode}); see ${String(log.path)}`)
      }
      await delay(100)
    }
    await client.close()
    return {
      url,
      apiKey: options.apiKey,
      ended,
      terminate: () => child.kill('SIGTERM'),
      stop: async () => {
        child.kill('SIGTERM')
        await Promise.race([ended, delay(15_000, undefined, { ref: false })])
        killGroup()
        await ended
        rmSync(log.path, { force: true })
      },
    }
  },
}

function vllmCommand(options: ContractOptions, port: number) {
  const { args, env } = launchArguments(
    {
      ...options,
      takesImages: false,
      loraDtype: 'Auto',
      quantization: undefined,
      tensorParallel: 1,
      pipelineParallel: 1,
      dataParallel: 1,
      extraArgs: ['--max-num-seqs', '16', ...(options.toolCalls ? toolFlags : [])],
      drainTimeoutSeconds: options.drainSeconds,
    },
    { host: '127.0.0.1', port, apiKey: options.apiKey, isCpuBuild: true },
  )
  const { VLLM_ALLOW_RUNTIME_LORA_UPDATING: gate, ...others } = env
  return {
    args: options.asLaunched ? args : args.filter((arg) => !asLaunchedFlags.has(arg)),
    env: options.runtimeLora && gate !== undefined ? env : others,
  }
}

const toolFlags = ['--enable-auto-tool-choice', '--tool-call-parser', 'hermes']

const asLaunchedFlags: ReadonlySet<string> = new Set([
  '--enable-force-include-usage',
  '--enable-prompt-tokens-details',
  '--fingerprint-mode',
  'none',
])
