import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { UserError } from '../errors.ts'
import { parseTape, type Tape } from '../sim/lab/tape.ts'
import { workloads } from '../sim/lab/workloads/workload-names.ts'
import {
  readerOf,
  type Knob,
  type Workload,
  type WorkloadFile,
} from '../sim/lab/workloads/workload.ts'

export type KnobValues = ReadonlyMap<Knob, number>

export interface TapeAsk {
  /** A file of JSON lines; undefined: the workload makes it. */
  readonly file: string | undefined
  readonly workload: string | undefined
  readonly knobs: KnobValues
  readonly data: string | undefined
  readonly seed: number
  readonly workingFolder: string
}

/** A tape with a word on where it comes from. */
export interface NamedTape {
  readonly name: string
  readonly tape: Tape
}

/** @throws UserError that names flag, file, line or field */
export async function tapeOf(ask: TapeAsk): Promise<NamedTape> {
  if ((ask.file === undefined) === (ask.workload === undefined)) {
    throw new UserError(
      'Name a tape, or a workload with --workload; loraplex lab --list shows what there is.',
      2,
    )
  }
  return ask.file === undefined ? madeTape(ask) : fileTape(ask.file, ask)
}

async function fileTape(file: string, { knobs, workingFolder }: TapeAsk): Promise<NamedTape> {
  const [knob] = knobs.keys()
  if (knob !== undefined) {
    throw new UserError(
      `--${knob} is for workloads; a tape says itself. --rates plays it faster.`,
      2,
    )
  }
  const text = await readFile(resolve(workingFolder, file), 'utf8').catch((error: unknown) => {
    throw new UserError(`${file} cannot be read.`, 2, error)
  })
  return { name: file, tape: parseTape(text) }
}

async function madeTape(ask: TapeAsk): Promise<NamedTape> {
  const workload = workloads.find(({ name }) => name === ask.workload)
  if (workload === undefined) {
    const names = workloads.map(({ name }) => name).join(', ')
    throw new UserError(
      `--workload: there is no ${JSON.stringify(ask.workload)}; there are ${names}.`,
      2,
    )
  }
  const foreign = [...ask.knobs.keys()].find((knob) => workload.knobs[knob] === undefined)
  if (foreign !== undefined) {
    const taken = Object.keys(workload.knobs).map((knob) => `--${knob}`)
    throw new UserError(
      `--${foreign}: the workload ${workload.name} has none; it takes ${taken.join(', ')}.`,
      2,
    )
  }
  const files = await Promise.all(workload.files.map((file) => contentOf(workload, file, ask)))
  const knob = readerOf(workload, ask.knobs)
  const tape = workload.make({ knob, files, seed: ask.seed })
  if (tape.length === 0) {
    throw new UserError(
      `The workload ${workload.name} made no requests; ask for more --seconds.`,
      2,
    )
  }
  return { name: workload.name, tape }
}

async function contentOf(
  workload: Workload,
  { names, source }: WorkloadFile,
  { data, workingFolder }: TapeAsk,
): Promise<Uint8Array> {
  for (const name of data === undefined ? [] : names) {
    const content = await readFile(resolve(workingFolder, data ?? '', name)).catch(() => undefined)
    if (content !== undefined) {
      return content
    }
  }
  const where = data === undefined ? 'Name its folder with --data' : `It is not in ${data}`
  throw new UserError(
    `The workload ${workload.name} reads ${names.join(' or ')} (${source}). ${where}.`,
    2,
  )
}
