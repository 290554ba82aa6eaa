import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { stringify } from 'yaml'
import type { ModelPool } from '../../api/model-pool.ts'
import { labels } from '../../api/cluster-names.ts'
import { deploymentType, type DeploymentObject } from '../../controller/model-pool/kube-shapes.ts'
import { planPool, refusePool, type PlannedPool } from '../../controller/model-pool/plan-pool.ts'
import { secretFingerprintIn } from '../../core/pool-revision.ts'
import { countReplicas, replicasAnnotation } from '../../core/replica-count.ts'
import { engineObjectName } from '../../core/workload-names.ts'
import { UserError } from '../../errors.ts'
import { readYaml } from '../../resources/directory/yaml-documents.ts'
import { connectToCluster } from '../../resources/kubernetes/connect.ts'
import { createKubeClient } from '../../resources/kubernetes/kube-client.ts'
import { splitKey } from '../../resources/kubernetes/object-key.ts'
import { readResource } from '../../resources/kubernetes/read-resource.ts'
import { resourceTypes, type WireResource } from '../../resources/kubernetes/resource-types.ts'
import { createTransport } from '../../resources/kubernetes/transport.ts'
import { clusterOptions, connectionOf } from '../cluster-options.ts'
import { defineCommand } from '../command.ts'
import { workloadOptions, workloadSettingsOf } from '../workload-options.ts'

export const plan = defineCommand({
  name: 'plan',
  summary: 'Print what the controller would make of a pool',
  details:
    'Of a pool in the cluster it also says what would become of its pods. With --file the pool is read from there and no cluster\n' +
    'is asked. Keys and tokens are left out. Give the flags of your controller, else its defaults count.\n' +
    'Example: loraplex plan models/llama -o json',
  args: [{ name: 'pool', summary: 'namespace/name', optional: true }],
  options: {
    file: {
      type: 'string',
      short: 'f',
      summary: 'YAML file with a ModelPool',
      placeholder: 'file',
    },
    output: {
      type: 'string',
      short: 'o',
      summary: 'how objects are printed',
      choices: ['yaml', 'json'],
      default: 'yaml',
    },
    ...workloadOptions,
    ...clusterOptions,
  },
  run: async ({ io, args, options }) => {
    const key = args[0]
    if ((key === undefined) === (options.file === undefined)) {
      throw new UserError('Name one pool as namespace/name, or a file with --file.', 2)
    }
    const found =
      options.file === undefined
        ? await poolOfCluster(key ?? '', connectionOf(options))
        : { pool: await poolOfFile(resolve(io.workingFolder, options.file)), live: undefined }
    const refusal = refusePool(found.pool)
    if (refusal !== undefined) {
      throw new UserError(refusal)
    }
    const present = revisionOfPods(found.live)
    // The secret is the controller's: what would be made is planned with that of the pods there are.
    const planned = planPool(
      found.pool,
      workloadSettingsOf(options),
      Buffer.alloc(0),
      secretFingerprintIn(present ?? ''),
    )
    const objects = objectsOf(planned, found.pool)
    io.out(
      options.output === 'json'
        ? `${JSON.stringify(objects, undefined, 2)}\n`
        : objects
            .map((object) => stringify(object, { aliasDuplicateObjects: false }))
            .join('---\n'),
    )
    io.err(`${wordsOf(planned, found.pool, found.live).join('\n')}\n`)
    return 0
  },
})

function objectsOf({ workload }: PlannedPool, pool: ModelPool): readonly object[] {
  const { deployment, podTemplate, others, secret } = workload
  const replicas = pool.spec.scaling?.minReplicas ?? pool.spec.replicas
  return [
    { ...deployment, spec: { ...deployment.spec, replicas, template: podTemplate } },
    ...others,
    {
      ...secret,
      stringData: Object.fromEntries(
        Object.keys(secret.stringData ?? {}).map((name) => [name, '(left out)']),
      ),
    },
  ]
}

function wordsOf(
  { poolRevision }: PlannedPool,
  pool: ModelPool,
  live: DeploymentObject | undefined,
): readonly string[] {
  const words = [`pool revision ${poolRevision}`]
  if (live === undefined) {
    return words
  }
  const { spec, metadata } = live
  const present = revisionOfPods(live)
  const replicas = spec?.replicas ?? 0
  const desired = pool.spec.scaling === undefined ? pool.spec.replicas : replicas
  const count = countReplicas(desired, {
    replicas,
    written: metadata.annotations?.[replicasAnnotation],
  })
  return [
    ...words,
    present === poolRevision
      ? 'pods stay: the revision is theirs'
      : `pods are replaced, ${pool.spec.rollout.maxSurge} more and ${pool.spec.rollout.maxUnavailable} fewer at a time: theirs is ${present ?? 'none'}`,
    desired < count.replicas
      ? `replicas: from ${count.replicas} to ${desired}, one by one, each drained`
      : `replicas: ${replicas} now, ${count.replicas} wanted`,
    ...(count.foreign === undefined ? [] : ['somebody else set the number of replicas']),
  ]
}

function revisionOfPods(live: DeploymentObject | undefined): string | undefined {
  return live?.spec?.template?.metadata?.labels?.[labels.poolRevision]
}

async function poolOfCluster(
  key: string,
  connection: Parameters<typeof connectToCluster>[0],
): Promise<{ readonly pool: ModelPool; readonly live: DeploymentObject | undefined }> {
  const { namespace = 'default', name } = splitKey(key)
  const transport = createTransport(await connectToCluster(connection))
  try {
    const client = createKubeClient({ transport })
    const object = await client.get(resourceTypes.ModelPool, { namespace, name })
    if (object === undefined) {
      throw new UserError(`There is no ModelPool ${namespace}/${name}.`)
    }
    const live = await client.get(deploymentType, { namespace, name: engineObjectName(name) })
    return { pool: poolOf(object), live }
  } finally {
    await transport.close()
  }
}

async function poolOfFile(file: string): Promise<ModelPool> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UserError(`${file} cannot be read.`, 2)
  })
  const yaml = readYaml(text)
  if (yaml.outcome !== 'Read') {
    throw new UserError(`${file}: ${yaml.message}`)
  }
  const raw = yaml.objects
    .map((object) => object.raw as WireResource)
    .find((object) => object.kind === 'ModelPool')
  if (raw === undefined) {
    throw new UserError(`${file} has no ModelPool.`)
  }
  const { namespace = 'default', uid = '' } = raw.metadata
  return poolOf({ ...raw, metadata: { ...raw.metadata, namespace, uid } })
}

function poolOf(object: WireResource): ModelPool {
  const { resource, problems } = readResource('ModelPool', object)
  if (resource?.kind !== 'ModelPool') {
    throw new UserError(problems.map(({ where, message }) => `${where}: ${message}`).join('\n'))
  }
  return resource
}
