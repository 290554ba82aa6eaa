import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { request } from 'undici'
import { stringify } from 'yaml'
import { processTree } from '../cpu.ts'
import { Child, freePort, waitUntil, type Core } from '../process.ts'
import type { Target } from './target.ts'

const root = join(import.meta.dirname, '../..')
const namespace = 'globex'
const adapter = 'globex-shout'
const startTimeoutMs = 120_000

export interface GatewayOptions {
  readonly core?: Core
  /** Tokens; larger than the fixture's own where the bench upstream stands in for a model. */
  readonly maxModelLen?: number
  /** Of Node, beside those that the command sets. */
  readonly nodeFlags?: readonly string[]
}

/** The resources of DESIGN section 4 for one engine that already runs, one adapter and one tenant with one key. */
function resources(engineUrl: string, key: string, options: GatewayOptions): unknown[] {
  const fixtures = join(root, 'test/fixtures')
  const apiVersion = 'loraplex.dev/v1alpha1'
  const { maxModelLen } = options
  return [
    {
      apiVersion,
      kind: 'ModelPool',
      metadata: { name: 'bench', namespace },
      spec: {
        model: {
          uri: pathToFileURL(join(fixtures, 'tiny-llama')).href,
          ...(maxModelLen === undefined ? {} : { maxModelLen }),
        },
        engine: { endpoints: [{ name: 'engine-0', url: engineUrl }] },
        lora: { maxLoras: 8, maxCpuLoras: 64, maxRank: 64 },
        pricing: {
          inputPerMillionTokens: '0.20',
          cachedInputPerMillionTokens: '0.05',
          outputPerMillionTokens: '0.80',
          gpuHour: '2.50',
        },
      },
    },
    {
      apiVersion,
      kind: 'LoraAdapter',
      metadata: { name: adapter, namespace },
      spec: {
        poolRefs: [{ name: 'bench' }],
        source: { uri: pathToFileURL(join(fixtures, 'adapters', adapter)).href },
      },
    },
    {
      apiVersion,
      kind: 'ModelTenant',
      metadata: { name: namespace },
      spec: {
        limits: {
          requestsPerMinute: 1_000_000,
          tokensPerMinute: 500_000_000,
          requestsPerDay: 500_000_000,
          tokensPerDay: 250_000_000_000,
          concurrentRequests: 10_000,
        },
        perUser: { requestsPerMinute: 100_000, tokensPerMinute: 100_000_000 },
        budgets: [
          {
            name: 'monthly',
            window: 'Month',
            timeZone: 'Europe/Berlin',
            tokens: 1_000_000_000_000,
            amount: '900000',
          },
        ],
      },
    },
    {
      apiVersion,
      kind: 'TenantKey',
      metadata: { name: 'bench', namespace },
      spec: {
        id: 'bench',
        sha256: createHash('sha256').update(key).digest('hex'),
        limits: {
          requestsPerMinute: 1_000_000,
          tokensPerMinute: 500_000_000,
          concurrentRequests: 10_000,
        },
      },
    },
  ]
}

interface ModelCard {
  readonly id: string
  readonly loraplex?: { readonly state?: string; readonly reason?: string }
}

async function modelsOf(url: string, authorization: string): Promise<readonly ModelCard[]> {
  const { statusCode, body } = await request(`${url}/v1/models`, { headers: { authorization } })
  const answer = (await body.json()) as { data?: readonly ModelCard[] }
  return statusCode === 200 ? (answer.data ?? []) : []
}

/**
 * Starts `loraplex up` in front of an engine that already runs and waits until the adapter is ready.
 * @throws TargetUnavailable with the gateway's last output when it does not get there.
 */
export async function startGateway(
  engineUrl: string,
  options: GatewayOptions = {},
): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-bench-gateway-'))
  const key = `lpx_bench_${randomBytes(32).toString('base64url')}`
  await mkdir(join(folder, 'resources'))
  const objects = resources(engineUrl, key, options).map((object) => stringify(object))
  await writeFile(join(folder, 'resources/bench.yaml'), objects.join('---\n'))
  const [port, adminPort] = [await freePort(), await freePort()]
  // A CPU profile of the gateway, for whoever asks where the time goes.
  const profile = process.env['LORAPLEX_BENCH_PROFILE']
  const { nodeFlags = [] } = options
  const flags = [
    ...(nodeFlags.length > 0 ? ['--max-semi-space-size=32', ...nodeFlags] : []),
    ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
  ]
  const command =
    flags.length === 0
      ? [join(root, 'bin/loraplex.mjs')]
      : [...flags, join(root, 'src/cli/main.ts')]
  const child = new Child('the gateway', options.core ?? 'Target', process.execPath, [
    ...command,
    'up',
    join(folder, 'resources'),
    '--state',
    join(folder, 'state'),
    '--port',
    String(port),
    '--admin-port',
    String(adminPort),
  ])
  const stop = async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${port}`
  const authorization = `Bearer ${key}`
  try {
    await waitUntil('a ready adapter', child, startTimeoutMs, async () => {
      const models = await modelsOf(url, authorization)
      return models.some(({ id, loraplex }) => id === adapter && loraplex?.state === 'Ready')
    })
  } catch (error) {
    await stop()
    throw error
  }
  // The bin is a shim that starts the pinned Node: its child is the gateway.
  const tree = processTree(child.pid)
  const gatewayPid = (flags.length === 0 ? tree[1] : tree[0]) ?? child.pid
  return { name: 'gateway', url, headers: { authorization }, model: adapter, pid: gatewayPid, stop }
}
