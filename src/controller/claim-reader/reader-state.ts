import { readerPort } from '../../api/cluster-names.ts'
import { shortened } from '../../api/field-path.ts'
import {
  isPodOver,
  isPodReady,
  portOf,
  urlOf,
  type DeploymentObject,
  type PodObject,
} from '../model-pool/kube-shapes.ts'

/** Characters of what Kubernetes said. */
const saidLength = 300

/** Whether a claim can be read now, else why not, for whoever runs the cluster. */
export type ReaderState =
  | { readonly state: 'Ready'; readonly url: string }
  | { readonly state: 'NotReady'; readonly words: string }

export interface ReaderObjects {
  readonly namespace: string
  readonly claim: string
  /** Of the Deployment. */
  readonly name: string
  readonly deployment: DeploymentObject | undefined
  readonly pods: readonly PodObject[]
}

export function readerStateOf(objects: ReaderObjects): ReaderState {
  // What was evicted stays in the list until somebody collects it.
  const staying = objects.pods.filter(
    (pod) => pod.metadata.deletionTimestamp === undefined && !isPodOver(pod),
  )
  const ready = staying.find(isPodReady)
  const address = ready?.status?.podIP
  if (ready !== undefined && address !== undefined) {
    return { state: 'Ready', url: urlOf(address, portOf(ready, 'reader', readerPort)) }
  }
  const [pod] = staying
  const words = pod === undefined ? withoutPod(objects) : ofPod(objects, pod)
  return { state: 'NotReady', words }
}

function withoutPod({ deployment, namespace, name }: ReaderObjects): string {
  const refusal = deployment?.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  )?.message
  return refusal === undefined
    ? `Deployment ${namespace}/${name}, which reads the claim, has no pod yet.`
    : `Kubernetes refuses the pod that reads the claim, of Deployment ${namespace}/${name}: ${shortened(refusal, saidLength)}`
}

function ofPod({ namespace, claim }: ReaderObjects, pod: PodObject): string {
  const { name } = pod.metadata
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False') {
    return unscheduled(namespace, claim, name, scheduled.message ?? '')
  }
  const [container] = pod.status?.containerStatuses ?? []
  const waiting = container?.state?.waiting
  const reason = waiting?.reason ?? ''
  if (waiting !== undefined && reason !== 'ContainerCreating' && reason !== 'PodInitializing') {
    return `Pod ${namespace}/${name}, which reads the claim, does not run (${reason}): ${shortened(waiting.message ?? '', saidLength)}`
  }
  if (container?.state?.waiting !== undefined) {
    const node = pod.spec?.nodeName ?? ''
    return `Claim ${claim} of namespace ${namespace} is not mounted on node ${node} yet. A ReadWriteOnce volume that another node has cannot be (Multi-Attach): use a ReadOnlyMany or ReadWriteMany claim, or let go of it there. Events of the pod say more: kubectl describe pod -n ${namespace} ${name}.`
  }
  return `Pod ${namespace}/${name}, which reads the claim, is not ready yet.`
}

function unscheduled(namespace: string, claim: string, pod: string, said: string): string {
  if (/persistentvolumeclaim "[^"]*" not found/.test(said)) {
    return `There is no PersistentVolumeClaim ${claim} in namespace ${namespace}, the pool's. Make it, or correct source.uri.`
  }
  if (/unbound .*PersistentVolumeClaim/i.test(said)) {
    return `PersistentVolumeClaim ${claim} of namespace ${namespace} is not bound to a volume. kubectl describe pvc -n ${namespace} ${claim} says what it waits for.`
  }
  return `No node takes pod ${namespace}/${pod}, which reads claim ${claim}: ${shortened(said, saidLength)}`
}
