import { replicaPaths, replicaPorts } from '../api/cluster-names.ts'
import { keyOf } from '../api/metadata.ts'
import { modelPlaceOf, poolSecretName } from './workload-names.ts'
import type { Json, JsonMap, WorkloadInput } from './workload-input.ts'

/** Nobody in a replica pod needs more than this. */
export const restricted: JsonMap = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
}

const home = '/loraplex/home'
const probePeriodSeconds = 5
/** An agent that says nothing for so long is started again. */
const agentHangSeconds = 30
/** What an agent that hangs has to end: it does not listen to its signal either. */
const agentEndSeconds = 5

export function engineContainer(input: WorkloadInput): JsonMap {
  const { pool, launch, tokens } = input
  const { engine, resources } = pool.spec
  const place = modelPlaceOf(pool)
  return {
    name: 'vllm',
    image: engine.image ?? '',
    command: ['vllm'],
    args: launch.args,
    env: [
      secretEnv('VLLM_API_KEY', 'engine-key', input),
      ...plainEnv({ ...launch.env, ...cacheFolders, USER: 'loraplex' }),
    ],
    ports: [{ name: 'engine', containerPort: replicaPorts.engine, protocol: 'TCP' }],
    ...(resources === undefined ? {} : { resources: resources as JsonMap }),
    securityContext: restricted,
    // Until it passes, the other probes do not count: loading weights takes minutes.
    startupProbe: {
      httpGet: { path: '/health', port: replicaPorts.engine },
      periodSeconds: probePeriodSeconds,
      timeoutSeconds: 5,
      failureThreshold: Math.ceil(engine.startupTimeoutSeconds / probePeriodSeconds),
    },
    // The agent knows whether its engine has to go: a busy one may be slow to answer, and is not dead. A no comes at once,
    // so a restart takes eight periods. The kubelet takes an agent that is away for a no, too: a crashed one is back
    // before that; one that hangs costs a whole timeout each time, and is ended and back before the eighth.
    livenessProbe: {
      httpGet: { path: '/engine-alive', port: replicaPorts.agent },
      periodSeconds: 2,
      timeoutSeconds: 30,
      failureThreshold: 8,
    },
    lifecycle: { preStop: { httpGet: { path: tokens.preStopPath, port: replicaPorts.agent } } },
    volumeMounts: [
      ...modelMount(input, place.isFetched || place.claim !== undefined),
      { name: 'adapters', mountPath: replicaPaths.adapters, readOnly: true },
      { name: 'shm', mountPath: '/dev/shm' },
      { name: 'engine-home', mountPath: home },
      { name: 'engine-tmp', mountPath: '/tmp' },
    ],
  }
}

/** The root is read-only; what vLLM, PyTorch and their kernels' compilers write goes here. */
const cacheFolders = {
  HOME: home,
  XDG_CACHE_HOME: `${home}/.cache`,
  XDG_CONFIG_HOME: `${home}/.config`,
  VLLM_CACHE_ROOT: `${home}/.cache/vllm`,
  VLLM_CONFIG_ROOT: `${home}/.config/vllm`,
  HF_HOME: `${home}/.cache/huggingface`,
  TRITON_CACHE_DIR: `${home}/.triton`,
  TORCHINDUCTOR_CACHE_DIR: `${home}/.cache/torchinductor`,
}

/**
 * A native sidecar: it is there before the engine and outlives its drain. The first process of a container has no default
 * answer to signals, and Node listens to none before its first line: a pod that is told to end a moment after it began
 * would stay for its whole grace. So another Node starts and ends before the signal is sent, which takes as long.
 */
export function agentContainer(input: WorkloadInput): JsonMap {
  const { pool, settings, servedModelName } = input
  const { lora, maxStreamSeconds, engine } = pool.spec
  const place = modelPlaceOf(pool)
  return {
    name: 'agent',
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    restartPolicy: 'Always',
    args: ['agent'],
    env: [
      ...podEnv,
      secretEnv('LORAPLEX_TOKEN', 'agent-token', input),
      secretEnv('LORAPLEX_ENGINE_KEY', 'engine-key', input),
      secretEnv('LORAPLEX_DEPOT_TOKEN', 'depot-token', input),
      ...plainEnv({
        LORAPLEX_POOL: keyOf(pool.metadata),
        LORAPLEX_SERVED_MODEL_NAME: servedModelName,
        LORAPLEX_ENGINE_URL: `http://127.0.0.1:${replicaPorts.engine}`,
        LORAPLEX_DEPOT_URL: settings.depotUrl,
        LORAPLEX_MODEL_URI: pool.spec.model.uri,
        LORAPLEX_MODEL_PATH: place.path,
        LORAPLEX_ADAPTERS: replicaPaths.adapters,
        LORAPLEX_PORT: String(replicaPorts.agent),
        LORAPLEX_MAX_LORAS: String(lora.maxLoras),
        LORAPLEX_MAX_CPU_LORAS: String(Math.max(lora.maxCpuLoras, lora.maxLoras)),
        LORAPLEX_MAX_STREAM_SECONDS: String(maxStreamSeconds),
        LORAPLEX_STARTUP_TIMEOUT_SECONDS: String(engine.startupTimeoutSeconds),
        LORAPLEX_LOG_FORMAT: 'json',
      }),
    ],
    ports: [{ name: 'agent', containerPort: replicaPorts.agent, protocol: 'TCP' }],
    resources: settings.agentResources as JsonMap,
    securityContext: restricted,
    lifecycle: { preStop: { exec: { command: ['node', '-e', ''] } } },
    readinessProbe: {
      httpGet: { path: '/readyz', port: replicaPorts.agent },
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    livenessProbe: {
      httpGet: { path: '/healthz', port: replicaPorts.agent },
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: agentHangSeconds / 5,
      // The pod's own is a stream's: one that hangs would be waited for so long.
      terminationGracePeriodSeconds: agentEndSeconds,
    },
    volumeMounts: [
      ...modelMount(input, place.isFetched || place.claim !== undefined),
      { name: 'adapters', mountPath: replicaPaths.adapters },
      { name: 'agent-tmp', mountPath: '/tmp' },
    ],
  }
}

/** Fills `model.cache` before the engine starts; nothing where the checkpoint is used in its place. */
export function modelContainers(input: WorkloadInput): readonly JsonMap[] {
  const { pool, settings } = input
  const { uri, secretRef } = pool.spec.model
  if (!modelPlaceOf(pool).isFetched) {
    return []
  }
  const claim = /^pvc:\/\/([^/]+)/.exec(uri)?.[1]
  return [
    {
      name: 'model',
      image: settings.image,
      imagePullPolicy: settings.imagePullPolicy,
      args: ['fetch-model'],
      env: [
        ...plainEnv({
          LORAPLEX_URI: uri,
          LORAPLEX_TO: replicaPaths.model,
          LORAPLEX_LOG_FORMAT: 'json',
          HOME: '/tmp',
        }),
        ...(secretRef === undefined
          ? []
          : [
              {
                name: 'HF_TOKEN',
                valueFrom: { secretKeyRef: { name: secretRef.name, key: 'token', optional: true } },
              },
            ]),
      ],
      resources: settings.agentResources as JsonMap,
      securityContext: restricted,
      volumeMounts: [
        { name: 'model', mountPath: replicaPaths.model },
        { name: 'agent-tmp', mountPath: '/tmp' },
        ...(claim === undefined
          ? []
          : [{ name: 'model-claim', mountPath: `/loraplex/claims/${claim}`, readOnly: true }]),
      ],
    },
  ]
}

function modelMount(input: WorkloadInput, isMounted: boolean): readonly JsonMap[] {
  const { claim } = modelPlaceOf(input.pool)
  return isMounted
    ? [
        {
          name: 'model',
          mountPath: replicaPaths.model,
          readOnly: true,
          ...(claim === undefined || claim.subPath === '' ? {} : { subPath: claim.subPath }),
        },
      ]
    : []
}

const podEnv: readonly Json[] = [
  fieldEnv('LORAPLEX_POD_NAMESPACE', 'metadata.namespace'),
  fieldEnv('LORAPLEX_POD_NAME', 'metadata.name'),
  fieldEnv('LORAPLEX_POD_UID', 'metadata.uid'),
]

function fieldEnv(name: string, fieldPath: string): JsonMap {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

function secretEnv(name: string, key: string, { pool, poolRevision }: WorkloadInput): JsonMap {
  const secret = poolSecretName(pool.metadata.name, poolRevision)
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } }
}

function plainEnv(values: Readonly<Record<string, string>>): readonly JsonMap[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}
