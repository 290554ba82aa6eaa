interface Host {
  /** Adapters that its host cache takes. */
  readonly capacity: number
  /** What it has in fact: placing that costs no load. */
  readonly holds: (revision: string) => boolean
}

/** Places in the host caches of a pool's replicas while a plan is made, and loads that it may still order. */
export class HostRooms {
  readonly #hosts: readonly Host[]
  readonly #used: number[]
  readonly #loads: number[]

  constructor(hosts: readonly Host[], loadsEach: number) {
    this.#hosts = hosts
    this.#used = hosts.map(() => 0)
    this.#loads = hosts.map(() => loadsEach)
  }

  /** For what stays there, whether there is room or not. */
  take(host: number): void {
    this.#used[host] = (this.#used[host] ?? 0) + 1
  }

  /** False: no room within this share of the cache, or a load that has to wait for a later plan. */
  place(host: number, revision: string, share: number, isPromised: boolean): boolean {
    const replica = this.#hosts[host]
    if (replica === undefined || (this.#used[host] ?? 0) >= Math.floor(replica.capacity * share)) {
      return false
    }
    if (!isPromised && !replica.holds(revision)) {
      const loads = this.#loads[host] ?? 0
      if (loads === 0) {
        return false
      }
      this.#loads[host] = loads - 1
    }
    this.take(host)
    return true
  }
}
