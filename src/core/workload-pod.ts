import { annotations, labels, managedBy } from '../api/cluster-names.ts'
import { reservedEngineVariables } from '../api/reserved-engine-variables.ts'
import { isMap, mapsOf, mergeOver } from './merge-pod-template.ts'
import { agentContainer, engineContainer, modelContainers } from './workload-containers.ts'
import type { Json, JsonMap, WorkloadInput, WorkloadSettings } from './workload-input.ts'
import { engineObjectName, modelPlaceOf, podSelectorOf } from './workload-names.ts'

/** What a stopping pod has beyond its longest stream: the hook's way, the engine's own end, the agent's. */
export const graceMarginSeconds = 60

/** The pods of one pool revision: ours, with the pool's own `podTemplate` laid over it. */
export function planPodTemplate(input: WorkloadInput): JsonMap {
  const ours = ourTemplate(input)
  const own = (input.pool.spec.podTemplate ?? {}) as JsonMap
  return guard(mergeOver(ours, withoutOwnFields(own, ours)), ours, input)
}

function ourTemplate(input: WorkloadInput): JsonMap {
  const { pool, poolRevision, servedModelName, settings } = input
  return {
    metadata: {
      labels: {
        ...podSelectorOf(pool.metadata.name),
        [labels.poolRevision]: poolRevision,
        [labels.managedBy]: managedBy,
      },
      annotations: {
        [annotations.servedModelName]: servedModelName,
        'kubectl.kubernetes.io/default-container': 'vllm',
      },
    },
    spec: {
      serviceAccountName: engineObjectName(pool.metadata.name),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: pool.spec.maxStreamSeconds + graceMarginSeconds,
      securityContext: {
        ...asNobody(settings),
        fsGroup: settings.runAsUser,
        fsGroupChangePolicy: 'OnRootMismatch',
      },
      ...pullSecrets(settings),
      initContainers: [...modelContainers(input), agentContainer(input)],
      containers: [engineContainer(input)],
      volumes: volumes(input),
    },
  }
}

/** Every pod of ours in a pool's namespace. */
export function asNobody({ runAsUser }: WorkloadSettings): JsonMap {
  return {
    runAsNonRoot: true,
    runAsUser,
    runAsGroup: runAsUser,
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

export function pullSecrets({ imagePullSecrets }: WorkloadSettings): JsonMap {
  return imagePullSecrets.length === 0
    ? {}
    : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }
}

function volumes({ pool }: WorkloadInput): readonly JsonMap[] {
  const { uri, cache } = pool.spec.model
  const { isFetched, claim } = modelPlaceOf(pool)
  const fetchedFrom = isFetched ? /^pvc:\/\/([^/]+)/.exec(uri)?.[1] : undefined
  return [
    ...(claim === undefined
      ? isFetched
        ? [{ name: 'model', ...((cache as JsonMap | undefined) ?? { emptyDir: {} }) }]
        : []
      : [{ name: 'model', persistentVolumeClaim: { claimName: claim.name, readOnly: true } }]),
    ...(fetchedFrom === undefined
      ? []
      : [
          {
            name: 'model-claim',
            persistentVolumeClaim: { claimName: fetchedFrom, readOnly: true },
          },
        ]),
    { name: 'adapters', emptyDir: {} },
    { name: 'shm', emptyDir: { medium: 'Memory' } },
    { name: 'engine-home', emptyDir: {} },
    { name: 'engine-tmp', emptyDir: {} },
    { name: 'agent-tmp', emptyDir: {} },
  ]
}

/**
 * What of our containers is not the template's to set: which image runs with which arguments, and how kubelet, gateways
 * and the controller ask it. Where it runs `vllm` from, and what that may do, is the pool's business.
 */
const ownFields: readonly string[] = [
  'image',
  'args',
  'workingDir',
  'lifecycle',
  'restartPolicy',
  'restartPolicyRules',
  'startupProbe',
  'livenessProbe',
  'readinessProbe',
  'ports',
  // Variables that nobody sees here could be among them.
  'envFrom',
]

/** The template without that, and with its entries for our containers where ours are, whichever list they were in. */
function withoutOwnFields(template: JsonMap, ours: JsonMap): JsonMap {
  const spec = template['spec']
  if (!isMap(spec)) {
    return template
  }
  const ourSpec = mapOf(ours['spec'])
  const inits = new Set(mapsOf(ourSpec['initContainers']).map(({ name }) => textOf(name)))
  const mains = new Set(mapsOf(ourSpec['containers']).map(({ name }) => textOf(name)))
  const strip = (container: JsonMap): JsonMap => {
    const name = textOf(container['name'])
    const more = inits.has(name) ? ['command', 'securityContext'] : []
    return inits.has(name) || mains.has(name)
      ? without(container, [...ownFields, ...more])
      : container
  }
  const all = mapsOf(spec['containers']).map(strip)
  const isInit = (container: JsonMap): boolean => inits.has(textOf(container['name']))
  return {
    ...template,
    spec: {
      ...spec,
      containers: all.filter((container) => !isInit(container)),
      initContainers: [...mapsOf(spec['initContainers']).map(strip), ...all.filter(isInit)],
    },
  }
}

/** I4, I7: what the template must not loosen, whatever it says. */
function guard(merged: JsonMap, ours: JsonMap, input: WorkloadInput): JsonMap {
  const spec = mapOf(merged['spec'])
  const ourSpec = mapOf(ours['spec'])
  const metadata = mapOf(merged['metadata'])
  const ourMetadata = mapOf(ours['metadata'])
  const grace = Number(spec['terminationGracePeriodSeconds'])
  return {
    metadata: {
      annotations: { ...mapOf(metadata['annotations']), ...mapOf(ourMetadata['annotations']) },
      labels: { ...mapOf(metadata['labels']), ...mapOf(ourMetadata['labels']) },
    },
    spec: {
      ...without(spec, ['restartPolicy', 'activeDeadlineSeconds']),
      automountServiceAccountToken: false,
      // Variables of Services would read as flags of ours.
      enableServiceLinks: false,
      terminationGracePeriodSeconds: Math.max(
        Number.isFinite(grace) ? grace : 0,
        input.pool.spec.maxStreamSeconds + graceMarginSeconds,
      ),
      initContainers: sidecarsLast(guardEnv(spec['initContainers'], ourSpec['initContainers'])),
      containers: guardEnv(spec['containers'], ourSpec['containers']),
    },
  }
}

const forbiddenEnv: ReadonlySet<string> = new Set(reservedEngineVariables)

const freeEnv: ReadonlySet<string> = new Set(['USER'])

function guardEnv(containers: Json | undefined, ours: Json | undefined): readonly JsonMap[] {
  const known = new Map(mapsOf(ours).map((container) => [container['name'], container]))
  return mapsOf(containers).map((container) => {
    const own = known.get(container['name'] ?? '')
    if (own === undefined) {
      return container
    }
    const ourEnv = new Map(mapsOf(own['env']).map((entry) => [entry['name'], entry]))
    const env = mapsOf(container['env']).flatMap((entry) => {
      const name = textOf(entry['name'])
      if (container['name'] === 'vllm' && forbiddenEnv.has(name)) {
        return []
      }
      const ourEntry = freeEnv.has(name) ? undefined : ourEnv.get(name)
      return [ourEntry ?? entry]
    })
    return { ...container, env }
  })
}

/** Init containers of the template's own run before the agent, which stays. */
function sidecarsLast(containers: readonly JsonMap[]): readonly JsonMap[] {
  const agents = containers.filter((container) => container['name'] === 'agent')
  return [...containers.filter((container) => container['name'] !== 'agent'), ...agents]
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function mapOf(value: Json | undefined): JsonMap {
  return isMap(value) ? value : {}
}

function without(map: JsonMap, names: readonly string[]): JsonMap {
  return Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)))
}
