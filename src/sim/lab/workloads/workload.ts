import type { Tape } from '../tape.ts'

/** What a workload can be asked for; each takes some of them. */
export const knobs = [
  'adapters',
  'rate',
  'seconds',
  'zipf',
  'alpha',
  'cv',
  'period-seconds',
] as const
export type Knob = (typeof knobs)[number]

/** `recorded`: as the trace has it, unless asked for otherwise. */
export type KnobDefault = number | 'recorded'

export interface WorkloadFile {
  /** Names it may have in the folder of data, the first found is read. */
  readonly names: readonly string[]
  /** Where it comes from, for who lacks it. */
  readonly source: string
}

export interface WorkloadInput {
  /** The value of a knob that the workload has; undefined: as recorded. */
  readonly knob: (name: Knob) => number | undefined
  /** Contents of `files`, in their order. */
  readonly files: readonly Uint8Array[]
  readonly seed: number
}

/** A generator of tapes: the same input gives the same tape. */
export interface Workload {
  readonly name: string
  readonly summary: string
  readonly source: string
  readonly knobs: Readonly<Partial<Record<Knob, KnobDefault>>>
  readonly files: readonly WorkloadFile[]
  make(input: WorkloadInput): Tape
}

/** What its knobs stand at. @param asked for instead of its defaults */
export function readerOf(
  workload: Workload,
  asked: ReadonlyMap<Knob, number>,
): WorkloadInput['knob'] {
  return (name) => {
    const usual = workload.knobs[name]
    return asked.get(name) ?? (usual === 'recorded' ? undefined : usual)
  }
}
