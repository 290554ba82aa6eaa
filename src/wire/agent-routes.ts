/** Where an agent's HTTP server has what; client and server both read it here. */
export const agentRoutes = {
  desired: '/v1/desired',
  ensure: (revision: string): string => `/v1/adapters/${encodeURIComponent(revision)}/ensure`,
  lease: '/v1/lease',
  drain: '/v1/drain',
  state: '/v1/state',
} as const

/** The replica that a caller means. An agent that is another one refuses with 421: a pod's IP was used again. */
export const replicaHeader = 'x-loraplex-replica'

/** The stream says at least this often that it is alive, with a blank line. */
export const keepAliveMs = 5000

/** One question whether a drain is over waits so long for a yes. */
export const drainPollMs = 20_000

export interface DrainAnswer {
  /** False: not yet, ask again. */
  readonly drained: boolean
  /** Another call took the drain back meanwhile: do not ask again. */
  readonly takenBack: boolean
}
