import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { UserError } from '../../errors.ts'
import { capacitiesOf } from '../../sim/lab/capacity.ts'
import { capacityTable, hasLoads, labTable } from '../../sim/lab/lab-table.ts'
import { policyNames } from '../../sim/lab/policy-names.ts'
import { labReport } from '../../sim/lab/report/lab-report.ts'
import type { LabRecord } from '../../sim/lab/lab-record.ts'
import { formatTape } from '../../sim/lab/tape.ts'
import { defineCommand } from '../command.ts'
import { labList } from '../lab-list.ts'
import {
  engineOf,
  knobValuesOf,
  labOptions,
  loadsOf,
  objectiveOf,
  policiesOf,
  type LabOptionValues,
} from '../lab-options.ts'
import { freshPolicies, labRuns } from '../lab-runs.ts'
import { tapeOf, type NamedTape } from '../lab-tape.ts'
import { countText, tableText } from '../table.ts'

export const lab = defineCommand({
  name: 'lab',
  summary: 'Play a tape of requests against simulated engines under several routing rules',
  details:
    'Virtual time: an hour of load takes seconds. A tape is JSON lines {t, tenant, adapter, input_tokens, output_tokens}, t in\n' +
    'seconds; or a workload makes one. docs/guides/lab.md says what is modelled.\n' +
    'Example: loraplex lab --workload zipf --adapters 128 --rate 100 --rates 0.5,1,1.5 --report lab.svg',
  args: [{ name: 'tape', summary: 'File of JSON lines', optional: true }],
  options: labOptions,
  run: async ({ io, args, options }) => {
    const objective = objectiveOf(options)
    if (options.list) {
      const engine = engineOf(options, 1)
      io.out(labList(freshPolicies({ policies: policyNames, engine, objective })))
      return 0
    }
    const policies = policiesOf(options.policy)
    const loads = loadsOf(options.rates)
    const named = await tapeOf({
      file: args[0],
      workload: options.workload,
      knobs: knobValuesOf(options),
      data: options.data,
      seed: options.seed,
      workingFolder: io.workingFolder,
    })
    const { tape } = named
    if (options['write-tape'] !== undefined) {
      await write(io.workingFolder, options['write-tape'], formatTape(tape))
      io.err(`${countText(tape.length, 'request')} written to ${options['write-tape']}\n`)
      return 0
    }
    const { adapters } = shapeOf(named)
    if (options.report !== undefined) {
      // Before the work, not after it.
      await write(io.workingFolder, options.report, '')
    }
    const records = labRuns({
      tape,
      policies,
      loads,
      replicas: options.replicas,
      engine: engineOf(options, adapters),
      objective,
      warmUpMs: options['warm-up-seconds'] * 1000,
      seed: options.seed,
      progress: io.err,
    })
    io.out(
      options.output === 'json'
        ? `${JSON.stringify(jsonOf(named, records, options), undefined, 2)}\n`
        : textOf(records),
    )
    if (options.report !== undefined) {
      const words = wordsOf(named, options)
      const maxLoras = options['max-loras']
      const title = `Routing rules on ${named.name}`
      await write(
        io.workingFolder,
        options.report,
        labReport({ title, words, records, objective, maxLoras }),
      )
      io.err(`report written to ${options.report}\n`)
    }
    return 0
  },
})

async function write(workingFolder: string, file: string, text: string): Promise<void> {
  await writeFile(resolve(workingFolder, file), text).catch((error: unknown) => {
    throw new UserError(`${file} cannot be written.`, 2, error)
  })
}

interface TapeShape {
  readonly requests: number
  readonly seconds: number
  readonly adapters: number
  readonly tenants: number
}

function shapeOf({ tape }: NamedTape): TapeShape {
  const adapters = new Set(tape.map(({ adapter }) => adapter))
  adapters.delete('')
  return {
    requests: tape.length,
    seconds: Math.round(tape.at(-1)?.atMs ?? 0) / 1000,
    adapters: adapters.size,
    tenants: new Set(tape.map(({ tenant }) => tenant)).size,
  }
}

function wordsOf(named: NamedTape, options: LabOptionValues): readonly string[] {
  const { requests, seconds, adapters, tenants } = shapeOf(named)
  const rate = requests / Math.max(1, seconds)
  return [
    `Tape: ${requests.toLocaleString('en-US')} requests in ${seconds.toFixed(0)} s (${rate.toFixed(1)} a second), ${countText(adapters, 'adapter')}, ${countText(tenants, 'tenant')}; seed ${options.seed}.`,
    `Fleet: ${countText(options.replicas, 'replica')} of ${options.profile}, ${options['max-loras']} slots of rank ${options['max-lora-rank']} each.`,
    `Objective: first token within ${options['slo-ttft-ms']} ms and ${options['slo-tpot-ms']} ms between tokens. Simulated in virtual time.`,
  ]
}

function textOf(records: readonly LabRecord[]): string {
  const capacities = capacityTable(records)
  const end = capacities.length === 0 ? '' : `\n${tableText(capacities)}`
  return `${tableText(labTable(records))}${end}`
}

function jsonOf(named: NamedTape, records: readonly LabRecord[], options: LabOptionValues): object {
  return {
    tape: { name: named.name, ...shapeOf(named) },
    fleet: {
      replicas: options.replicas,
      profile: options.profile,
      maxLoras: options['max-loras'],
      maxLoraRank: options['max-lora-rank'],
    },
    objective: objectiveOf(options),
    seed: options.seed,
    runs: records.map(({ load, outcome }) => ({ load, ...outcome })),
    capacities: hasLoads(records) ? capacitiesOf(records) : [],
  }
}
