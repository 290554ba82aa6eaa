import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseMoney } from '../../core/money.ts'
import { UserError } from '../../errors.ts'
import { openUsage } from '../../ledger/usage/open-usage.ts'
import type { UsageGroup, UsageQuery, UsageRow, UsageStore } from '../../ledger/usage/types.ts'
import { billGroups, type BillGroup } from '../bill-fields.ts'
import { defineCommand, type CommandIo } from '../command.ts'
import { comparisonText } from '../comparison-text.ts'
import { readPriceList } from '../price-list.ts'
import { firstUse } from '../first-use.ts'
import { billCsv, billJson, billText } from '../usage-table.ts'

export const usage = defineCommand({
  name: 'usage',
  summary: 'Print who used what, and what it costs',
  details:
    'Reads the bills of a standalone service from its state folder, or those of a cluster from --usage-store. INPUT counts CACHED,\n' +
    'too. Amounts are what was billed at the prices of that time; GPU COST is the share of the GPUs, at `pricing.gpuHour`, and no\n' +
    'part of the amount. INEXACT are requests that nobody counted to their end. With --compare, the same traffic at the prices of\n' +
    'a list, and where the break-even lies: in queries a day, in how busy a replica is, and in the price of its hour.\n' +
    'Example: loraplex usage --by tenant,key --from 2026-11-01 --to 2026-12-01',
  args: [],
  options: {
    state: { type: 'string', summary: 'State folder of the service', default: '.loraplex' },
    'usage-store': {
      type: 'string',
      summary:
        'Where bills are kept, if not in the state folder: sqlite:PATH or postgres://HOST/DATABASE',
      placeholder: 'url',
    },
    tenant: { type: 'string', summary: 'Only this tenant’s' },
    by: {
      type: 'string',
      summary: `Split by ${Object.keys(billGroups).join(', ')}, with commas`,
      placeholder: 'a,b',
      default: 'tenant,namespace,adapter',
    },
    from: {
      type: 'string',
      summary: 'From this day or time, UTC; default: the first of this month',
      placeholder: 'when',
    },
    to: { type: 'string', summary: 'Up to it; default: now', placeholder: 'when' },
    compare: { type: 'string', summary: 'Price list to compare with, YAML', placeholder: 'file' },
    'gpu-hour': {
      type: 'string',
      summary: 'What an hour of one replica costs, for --compare; default: as the bills say',
      placeholder: 'amount',
    },
    output: {
      type: 'string',
      short: 'o',
      summary: 'how it is printed',
      choices: ['table', 'wide', 'json', 'csv'],
      default: 'table',
    },
  },
  run: async ({ io, options }) => {
    const nowMs = Date.now()
    const fromMs = moment('from', options.from) ?? startOfMonth(nowMs)
    const toMs = moment('to', options.to) ?? nowMs + 1
    if (toMs <= fromMs) {
      throw new UserError('--to is not after --from.', 2)
    }
    if (options.compare !== undefined && (options.output === 'json' || options.output === 'csv')) {
      throw new UserError('--compare prints tables: leave -o away, or write -o wide.', 2)
    }
    const groups = groupsNamed(options.by)
    const query: UsageQuery = {
      fromMs,
      toMs,
      ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
      ...(groups.includes('day') ? { bucketsMs: daysIn(fromMs, toMs) } : {}),
      groupBy: groups.filter((group): group is UsageGroup => group !== 'day'),
      limit: 100_000,
    }
    const models =
      options.compare === undefined
        ? undefined
        : await readPriceList(resolve(io.workingFolder, options.compare))
    const store = await open(io, options['usage-store'], options.state)
    try {
      const rows = await store.query(query)
      io.out(written(rows, groups, options.output))
      if (models !== undefined) {
        const period = {
          fromMs: options.from === undefined ? await firstUse(store, query) : fromMs,
          toMs: Math.min(toMs, nowMs),
        }
        io.out(comparisonText(rows, models, period, replicaHour(options['gpu-hour'], rows)))
      }
      return 0
    } finally {
      await store.close()
    }
  },
})

function written(
  rows: readonly UsageRow[],
  groups: readonly BillGroup[],
  output: 'table' | 'wide' | 'json' | 'csv',
): string {
  switch (output) {
    case 'json':
      return billJson(rows, groups)
    case 'csv':
      return billCsv(rows, groups)
    case 'table':
    case 'wide':
      return billText(rows, groups, output === 'wide')
    default:
      return output satisfies never
  }
}

async function open(io: CommandIo, store: string | undefined, state: string): Promise<UsageStore> {
  const path = resolve(io.workingFolder, state, 'usage.db')
  if (store === undefined && !existsSync(path)) {
    throw new UserError(
      `There is no ${path}: no service kept its bills there. --state FOLDER or --usage-store URL says where they are.`,
    )
  }
  const place = store ?? `sqlite:${path}`
  io.err(`bills of ${place.replace(/:\/\/[^@/]*@/, '://')}\n`)
  return openUsage(place, (message) => io.err(`${message}\n`))
}

function groupsNamed(text: string): readonly BillGroup[] {
  return text.split(',').map((word) => {
    const group = Object.hasOwn(billGroups, word.trim()) ? billGroups[word.trim()] : undefined
    if (group === undefined) {
      throw new UserError(
        `--by is ${text}; write some of ${Object.keys(billGroups).join(', ')}.`,
        2,
      )
    }
    return group
  })
}

/** As many as a store is asked for at once. */
const mostDays = 400

/** UTC's, the first one cut where the time begins. @throws UserError */
function daysIn(fromMs: number, toMs: number): readonly number[] {
  const first = Math.floor(fromMs / dayMs) * dayMs
  const count = Math.ceil((toMs - first) / dayMs)
  if (count > mostDays) {
    throw new UserError(`--by day can show ${mostDays} days; --from and --to say which.`, 2)
  }
  return Array.from({ length: count }, (_none, at) => Math.max(fromMs, first + at * dayMs))
}

const dayMs = 86_400_000

function moment(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) {
    return undefined
  }
  const atMs = Date.parse(/^\d{4}-\d{2}$/.test(text) ? `${text}-01` : text)
  if (Number.isNaN(atMs)) {
    throw new UserError(`--${flag} is ${text}; write 2026-11-01 or 2026-11-01T12:00:00Z.`, 2)
  }
  return atMs
}

function startOfMonth(nowMs: number): number {
  const now = new Date(nowMs)
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
}

/** A thousandth of the currency, in nanos. */
const milli = 1_000_000

/** @throws UserError where nobody said what a GPU costs */
function replicaHour(text: string | undefined, rows: readonly UsageRow[]): number {
  if (text !== undefined) {
    const nanos = parseMoney(text)
    if (nanos === undefined) {
      throw new UserError(`--gpu-hour is ${text}; write an amount such as 2.50.`, 2)
    }
    return nanos
  }
  const gpuMs = rows.reduce((sum, row) => sum + Number(row.gpuMs), 0)
  const gpuNanos = rows.reduce((sum, row) => sum + Number(row.gpuNanos), 0)
  if (gpuNanos === 0) {
    throw new UserError(
      'What does a GPU cost? --gpu-hour AMOUNT says so, or `pricing.gpuHour` of the pools before they are used.',
      2,
    )
  }
  // Each request's share was rounded up to a nano; prices have fewer decimals.
  return Math.round(((gpuNanos / gpuMs) * 3_600_000) / milli) * milli
}
