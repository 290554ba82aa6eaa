import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { UserError } from '../../errors.ts'
import { capacitiesOf } from '../../sim/lab/capacity.ts'
import { capacityTable, hasLoads, labTable } from '../../sim/lab/lab-table.ts'
import { labReport } from '../../sim/lab/report/lab-report.ts'
import type { LabRecord } from '../../sim/lab/lab-record.ts'
import { usualQueue } from '../../sim/lab/queue-names.ts'
import { formatTape } from '../../sim/lab/tape.ts'
import { defineCommand } from '../command.ts'
import { labHeading } from '../lab-heading.ts'
import { labList } from '../lab-list.ts'
import { listedRules } from '../listed-rules.ts'
import {
  engineOf,
  knobValuesOf,
  labOptions,
  loadsOf,
  objectiveOf,
  type LabOptionValues,
} from '../lab-options.ts'
import { boundsOf, rulesOf } from '../lab-rule-options.ts'
import { labRuns } from '../lab-runs.ts'
import { tapeOf, type NamedTape } from '../lab-tape.ts'
import { countText, tableText } from '../table.ts'
import { tapeShape } from '../tape-shape.ts'

export const lab = defineCommand({
  name: 'lab',
  summary: 'Play a tape of requests against simulated engines: compare routing, queues, scaling',
  details:
    'Virtual time: an hour of load takes seconds. A tape is JSON lines {t, tenant, adapter, input_tokens, output_tokens}, t in\n' +
    'seconds; or a workload makes one. docs/guides/lab.md says what is modelled.\n' +
    'Example: loraplex lab --workload zipf --adapters 128 --rate 100 --rates 0.5,1,1.5 --report lab.svg',
  args: [{ name: 'tape', summary: 'File of JSON lines', optional: true }],
  options: labOptions,
  run: async ({ io, args, options }) => {
    const objective = objectiveOf(options)
    if (options.list) {
      io.out(labList(listedRules(options)))
      return 0
    }
    const rules = rulesOf(options)
    const { replicas } = options
    const bounds = boundsOf(options, replicas, rules)
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
    const { adapters } = tapeShape(named)
    if (options.report !== undefined) {
      // Before the work, not after it.
      await write(io.workingFolder, options.report, '')
    }
    const records = labRuns({
      tape,
      rules,
      loads,
      replicas,
      bounds,
      requestsPerMinute: options['requests-per-minute'],
      maxInFlight: options['max-in-flight'],
      engine: engineOf(options, adapters),
      objective,
      warmUpMs: options['warm-up-seconds'] * 1000,
      withGap: options.output === 'json' || rules.queues.some((name) => name !== usualQueue),
      seed: options.seed,
      progress: io.err,
    })
    io.out(
      options.output === 'json'
        ? `${JSON.stringify(jsonOf(named, records, options), undefined, 2)}\n`
        : textOf(records),
    )
    if (options.report !== undefined) {
      const heading = labHeading(named, options, rules)
      const maxLoras = options['max-loras']
      const report = labReport({ ...heading, records, objective, maxLoras })
      await write(io.workingFolder, options.report, report)
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

function textOf(records: readonly LabRecord[]): string {
  const capacities = capacityTable(records)
  const end = capacities.length === 0 ? '' : `\n${tableText(capacities)}`
  return `${tableText(labTable(records))}${end}`
}

function jsonOf(named: NamedTape, records: readonly LabRecord[], options: LabOptionValues): object {
  return {
    tape: { name: named.name, ...tapeShape(named) },
    fleet: {
      replicas: options.replicas,
      profile: options.profile,
      maxLoras: options['max-loras'],
      maxLoraRank: options['max-lora-rank'],
    },
    objective: objectiveOf(options),
    seed: options.seed,
    scaling: boundsOf(options, options.replicas, rulesOf(options)),
    runs: records.map(({ name, load, outcome, rules, refused, gap, scaling }) => ({
      name,
      load,
      ...outcome,
      ...rules,
      refused,
      serviceGap: gap ?? null,
      scaling: scaling ?? null,
    })),
    capacities: hasLoads(records) ? capacitiesOf(records) : [],
  }
}
