import { UserError } from '../errors.ts'

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

/** Bytes of a quantity as Kubernetes writes sizes: `50Gi`. @throws UserError. */
export function sizeOf(text: string, flag: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([kMGTP]|[KMGTP]i)?$/.exec(text) ?? []
  const bytes = Number(number) * (units[unit] ?? 0)
  if (!(bytes > 0)) {
    throw new UserError(`${flag} is ${JSON.stringify(text)}, which is no size. Write it as 50Gi.`)
  }
  return Math.floor(bytes)
}
