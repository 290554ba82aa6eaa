/** An adapter of a static placement. */
export interface PlacedAdapter {
  /** Requests a second. */
  readonly rate: number
  /** Replicas that have it, by index. */
  readonly hosts: readonly number[]
}

export interface EvenOptions {
  readonly replicas: number
  /** Load that so many requests a second of one adapter are to a replica; concave. */
  readonly loadOf: (rate: number) => number
}

const rounds = 400

/**
 * The busiest replica's load when requests of an adapter with several copies go where there is least to do, as routing brings
 * it about: each round moves a little of each adapter from its fullest host to its emptiest.
 */
export function evenLoads(
  adapters: readonly PlacedAdapter[],
  { replicas, loadOf }: EvenOptions,
): readonly number[] {
  const shares = adapters.map(({ rate, hosts }) => hosts.map(() => rate / hosts.length))
  const loads = Array.from({ length: replicas }, () => 0)
  const add = (host: number, load: number): void => {
    loads[host] = (loads[host] ?? 0) + load
  }
  for (const [at, { hosts }] of adapters.entries()) {
    hosts.forEach((host, place) => add(host, loadOf(shares[at]?.[place] ?? 0)))
  }
  for (let round = 0; round < rounds; round += 1) {
    const part = 0.2 * (1 - round / rounds)
    for (const [at, { hosts }] of adapters.entries()) {
      const share = shares[at] ?? []
      const places = hosts.map((_host, place) => place).filter((place) => (share[place] ?? 0) > 0)
      const byLoad = (left: number, right: number): number =>
        (loads[hosts[left] ?? 0] ?? 0) - (loads[hosts[right] ?? 0] ?? 0)
      const from = places.sort(byLoad).at(-1)
      const to = hosts.map((_host, place) => place).sort(byLoad)[0]
      if (from === undefined || to === undefined || from === to) {
        continue
      }
      const moved = (share[from] ?? 0) * part
      for (const [place, change] of [
        [from, -moved],
        [to, moved],
      ] as const) {
        const before = share[place] ?? 0
        add(hosts[place] ?? 0, loadOf(before + change) - loadOf(before))
        share[place] = before + change
      }
    }
  }
  return loads
}
