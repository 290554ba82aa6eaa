import { hash } from 'node:crypto'
import type { KubeClient, KubeObject, ResourceType } from '../resources/kubernetes/types.ts'
import type { AdminAuth, AdminVerdict } from '../telemetry/admin-auth.ts'

interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string }
  readonly status?: {
    readonly authenticated?: boolean
    readonly user?: {
      readonly username?: string
      readonly uid?: string
      readonly groups?: readonly string[]
      readonly extra?: Readonly<Record<string, readonly string[]>>
    }
  }
}

interface SubjectAccessReview extends KubeObject {
  readonly spec: object
  readonly status?: { readonly allowed?: boolean }
}

const tokenReview: ResourceType<TokenReview> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  namespaced: false,
}

const subjectAccessReview: ResourceType<SubjectAccessReview> = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
}

/** So long an answer is not asked for again; while the API server is down, one that allowed holds longer. */
const freshMs = { Allowed: 60_000, Unknown: 5000, Forbidden: 5000 } as const
const staleMs = 3_600_000
const maxRemembered = 1000
/** Strangers' tokens must not fill the way to the API server, which this process needs for its own work. */
const maxUnderWay = 4
const timeoutMs = 5000

interface Remembered {
  readonly verdict: 'Allowed' | 'Unknown' | 'Forbidden'
  readonly at: number
}

/** Asks the API server whose token it is and whether that account may `get` the path as a nonResourceURL. */
export class KubernetesAdminAuth implements AdminAuth {
  readonly #client: KubeClient
  readonly #now: () => number
  readonly #known = new Map<string, Remembered>()
  #underWay = 0

  constructor(client: KubeClient, now: () => number = () => performance.now()) {
    this.#client = client
    this.#now = now
  }

  async check(authorization: string | undefined, path: string): Promise<AdminVerdict> {
    const token = /^Bearer (\S{1,16384})$/i.exec(authorization ?? '')?.[1]
    if (token === undefined) {
      return 'Unknown'
    }
    // The token itself is not kept (I14).
    const key = hash('sha256', `${path}\0${token}`)
    const known = this.#known.get(key)
    const ageMs = known === undefined ? 0 : this.#now() - known.at
    if (known !== undefined && ageMs < freshMs[known.verdict]) {
      return known.verdict
    }
    const verdict = await this.#askInTurn(token, path)
    if (verdict === undefined) {
      return known?.verdict === 'Allowed' && ageMs < staleMs ? 'Allowed' : 'Unavailable'
    }
    this.#remember(key, verdict)
    return verdict
  }

  /** Undefined where there is no answer: the API server is away, or too many ask. */
  async #askInTurn(token: string, path: string): Promise<Remembered['verdict'] | undefined> {
    if (this.#underWay >= maxUnderWay) {
      return undefined
    }
    this.#underWay += 1
    try {
      return await this.#ask(token, path)
    } catch {
      return undefined
    } finally {
      this.#underWay -= 1
    }
  }

  async #ask(token: string, path: string): Promise<Remembered['verdict']> {
    const signal = AbortSignal.timeout(timeoutMs)
    const review = await this.#client.create(
      tokenReview,
      { metadata: unnamed, spec: { token } },
      signal,
    )
    const user = review.status?.user
    if (review.status?.authenticated !== true || user === undefined) {
      return 'Unknown'
    }
    const access = await this.#client.create(
      subjectAccessReview,
      {
        metadata: unnamed,
        spec: {
          user: user.username,
          uid: user.uid,
          groups: user.groups,
          extra: user.extra,
          nonResourceAttributes: { path, verb: 'get' },
        },
      },
      signal,
    )
    return access.status?.allowed === true ? 'Allowed' : 'Forbidden'
  }

  #remember(key: string, verdict: Remembered['verdict']): void {
    this.#known.delete(key)
    this.#known.set(key, { verdict, at: this.#now() })
    if (this.#known.size > maxRemembered) {
      // Strangers do not push out whom the cluster trusts.
      const refused = [...this.#known].find(([, one]) => one.verdict !== 'Allowed')
      this.#known.delete(refused?.[0] ?? this.#known.keys().next().value ?? key)
    }
  }
}

/** Reviews are questions; they have no name and are not kept. */
const unnamed = { name: '' }
