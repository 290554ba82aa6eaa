import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { stringify } from 'yaml'
import { Child, findExecutable, freePort, TargetUnavailable, waitUntil } from '../process.ts'
import { upstreamModel } from '../upstream.ts'
import type { Target } from './target.ts'

/** README.md says how it is installed. */
const folderOfPrograms = join(homedir(), '.cache/loraplex/litellm/bin')
const masterKey = 'sk-bench'
/** Its imports alone take ten seconds on an idle core. */
const startTimeoutMs = 300_000

/** One model on the upstream, one key, limits in its own memory, no log of requests: what works without a database. */
function configuration(upstreamUrl: string): string {
  return stringify({
    model_list: [
      {
        model_name: upstreamModel,
        litellm_params: {
          model: `hosted_vllm/${upstreamModel}`,
          api_base: `${upstreamUrl}/v1`,
          api_key: 'none',
          rpm: 10_000_000,
          tpm: 1_000_000_000,
          input_cost_per_token: 0.000_000_2,
          output_cost_per_token: 0.000_000_8,
        },
      },
    ],
    litellm_settings: { telemetry: false, num_retries: 0, request_timeout: 600 },
    general_settings: { master_key: masterKey },
  })
}

/** @throws TargetUnavailable where LiteLLM's proxy is not installed or does not start. */
export async function startLitellm(upstreamUrl: string): Promise<Target> {
  const executable = findExecutable('litellm', [folderOfPrograms])
  if (executable === undefined) {
    throw new TargetUnavailable('not installed: bench/README.md says how')
  }
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-bench-litellm-'))
  const file = join(folder, 'config.yaml')
  await writeFile(file, configuration(upstreamUrl))
  const port = await freePort()
  const address = ['--host', '127.0.0.1', '--port', String(port)]
  const child = new Child(
    'LiteLLM',
    'Target',
    executable,
    ['--config', file, '--num_workers', '1', '--telemetry', 'False', ...address],
    {
      ...process.env,
      LITELLM_LOG: 'ERROR',
      LITELLM_MODE: 'PRODUCTION',
      // Prices come from the configuration; nothing is fetched.
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      NO_PROXY: '*',
    },
  )
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitUntil('answer', child, startTimeoutMs, async () => {
      const { statusCode, body } = await request(`${url}/health/liveliness`)
      await body.dump()
      return statusCode === 200
    })
  } catch (error) {
    await stop()
    throw error
  }
  const headers = { authorization: `Bearer ${masterKey}` }
  return {
    name: 'litellm',
    url,
    headers,
    model: upstreamModel,
    workShare: 1 / 20,
    pid: child.pid,
    stop,
  }
}
