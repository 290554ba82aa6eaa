const units: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
}

/** Bytes of a quantity as Kubernetes writes sizes: `50Gi`. Undefined for what is none. */
export function parseSize(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([kMGTP]|[KMGTP]i)?$/.exec(text) ?? []
  return number === '' ? undefined : Math.floor(Number(number) * (units[unit] ?? 0))
}
