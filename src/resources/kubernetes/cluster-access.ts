/** What a TLS connection to the API server needs; the same value as long as nothing of it changes. */
export interface ClusterTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface ClusterCredentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: ClusterTls
}

/** Where a cluster is and how one gets in. Tokens and certificates change, so they are asked for before every request. */
export interface ClusterAccess {
  readonly url: string
  /** The namespace this process is in, or the context's; `default` where neither says. */
  readonly namespace: string
  /** For people: `in-cluster`, or `context NAME of FILE`. */
  readonly origin: string
  credentials(): Promise<ClusterCredentials>
}
