import type { AgentLink } from '../api/agent-protocol.ts'
import type { GatewayReplica } from '../gateway/replica-view.ts'
import { agentToken, engineKey } from '../wire/internal-auth.ts'
import { createAgentLink, type AgentLinkOptions } from '../wire/agent-link.ts'
import type { ReplicaDescription } from './replica-pods.ts'

/** A link that can be ended. */
export interface ClosableLink extends AgentLink {
  close(): Promise<void>
}

interface Entry {
  readonly described: ReplicaDescription
  readonly replica: GatewayReplica
}

/**
 * Replicas as the gateway takes them, the same object for as long as nothing about one changed. A link ends with its last
 * watcher: the gateway goes on listening to a replica that left until the streams there have ended.
 */
export class ReplicaDirectory {
  readonly #secret: Buffer
  readonly #connect: (options: AgentLinkOptions) => ClosableLink
  #entries: ReadonlyMap<string, Entry> = new Map()
  readonly #links = new Set<ClosableLink>()

  constructor(
    secret: Buffer,
    connect: (options: AgentLinkOptions) => ClosableLink = createAgentLink,
  ) {
    this.#secret = secret
    this.#connect = connect
  }

  /** Level-triggered: the whole list. */
  replicas(described: readonly ReplicaDescription[]): readonly GatewayReplica[] {
    this.#entries = new Map(
      described.map((one) => {
        const known = this.#entries.get(one.name)
        const entry =
          known !== undefined && areEqual(known.described, one) ? known : this.#create(one)
        return [one.name, entry]
      }),
    )
    return [...this.#entries.values()].map(({ replica }) => replica)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.close()))
    this.#links.clear()
  }

  #create(described: ReplicaDescription): Entry {
    const { name, poolKey, poolRevision, servedModelName, engineUrl, agentUrl } = described
    const address = { url: engineUrl, apiKey: engineKey(this.#secret, poolKey, poolRevision) }
    const link = this.#connect({
      replica: name,
      url: agentUrl,
      token: agentToken(this.#secret, poolKey),
    })
    this.#links.add(link)
    const replica = {
      name,
      poolKey,
      servedModelName,
      address: () => address,
      link: this.#endingWithWatchers(link),
    }
    return { described, replica }
  }

  #endingWithWatchers(link: ClosableLink): AgentLink {
    let watchers = 0
    return {
      replica: link.replica,
      setDesired: (request) => link.setDesired(request),
      ensure: (revision) => link.ensure(revision),
      lease: (request) => link.lease(request),
      drain: () => link.drain(),
      watchState: (onMessage) => {
        watchers += 1
        const unwatch = link.watchState(onMessage)
        return () => {
          unwatch()
          watchers -= 1
          if (watchers === 0) {
            this.#links.delete(link)
            void link.close().catch(() => undefined)
          }
        }
      },
    }
  }
}

function areEqual(left: ReplicaDescription, right: ReplicaDescription): boolean {
  return (Object.keys(left) as (keyof ReplicaDescription)[]).every(
    (field) => left[field] === right[field],
  )
}
