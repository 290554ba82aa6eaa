// A process that stands for election and, while it leads, writes without pause. Killed and frozen by tests.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectToCluster } from '../../src/resources/kubernetes/connect.ts'
import { isKubeError } from '../../src/resources/kubernetes/kube-api-error.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import { createLeaderElection } from '../../src/resources/kubernetes/leader.ts'
import { createTransport } from '../../src/resources/kubernetes/transport.ts'
import type { Leadership } from '../../src/resources/kubernetes/types.ts'
import { configMapType } from './fault-api.ts'

const [kubeconfig = '', lease = '', identity = ''] = process.argv.slice(2)
const transport = createTransport(await connectToCluster({ kubeconfig }))
const namespace = 'default'

function say(words: string): void {
  process.stdout.write(`${words}\n`)
}

/** Never looks whether it still leads, as a reconciler with a mistake would not. */
async function write(leadership: Leadership): Promise<void> {
  const client = createKubeClient({ transport, mayWrite: () => leadership.mayWrite(), retries: 0 })
  let isRefused = false
  for (let n = 0; ; n += 1) {
    const data = { by: identity, n: String(n), term: String(leadership.term) }
    try {
      await client.mergePatch(configMapType, { name: lease, namespace }, { data })
    } catch (error) {
      if (!isRefused && isKubeError(error, 'NotLeader')) {
        isRefused = true
        say('refused')
      }
    }
    await sleep(5)
  }
}

const election = createLeaderElection({
  client: createKubeClient({ transport, retries: 0 }),
  namespace,
  name: lease,
  identity,
  onLead: (leadership) => {
    say(`leads ${leadership.term}`)
    leadership.signal.addEventListener('abort', () => say('lost'))
    void write(leadership)
  },
})
election.start()
