import type { NamedTape } from './lab-tape.ts'

export interface TapeShape {
  readonly requests: number
  readonly seconds: number
  readonly adapters: number
  readonly tenants: number
}

/** Of a tape, in figures. */
export function tapeShape({ tape }: NamedTape): TapeShape {
  const adapters = new Set(tape.map(({ adapter }) => adapter))
  adapters.delete('')
  return {
    requests: tape.length,
    seconds: Math.round(tape.at(-1)?.atMs ?? 0) / 1000,
    adapters: adapters.size,
    tenants: new Set(tape.map(({ tenant }) => tenant)).size,
  }
}
