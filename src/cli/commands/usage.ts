import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseMoney } from '../../core/money.ts'
import { UserError } from '../../errors.ts'
import { openUsage } from '../../ledger/usage/open-usage.ts'
import type { UsageGroup, UsageQuery, UsageRow } from '../../ledger/usage/types.ts'
import { defineCommand, type CommandIo } from '../command.ts'
import { readPriceList } from '../price-list.ts'
import { billJson, billText, comparisonText } from '../usage-table.ts'

const groups: Readonly<Record<string, UsageGroup>> = {
  tenant: 'tenant',
  namespace: 'namespace',
  adapter: 'adapter',
  revision: 'revision',
  pool: 'pool',
  key: 'keyId',
  user: 'userHash',
}

export const usage = defineCommand({
  name: 'usage',
  summary: 'Print who used what, and what it costs',
  details:
    'Reads the bills of a standalone service from its state folder, or those of a cluster from --usage-store. Amounts are what\n' +
    'was billed at the prices of that time; GPU COST is the share of the GPUs, at `pricing.gpuHour`, and no part of the amount.\n' +
    'With --compare, the same traffic at the prices of a list, and from how many queries a day a GPU of your own is cheaper.\n' +
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
      summary: `Split by ${Object.keys(groups).join(', ')}, with commas`,
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
      choices: ['table', 'json'],
      default: 'table',
    },
  },
  run: async ({ io, options }) => {
    const nowMs = Date.now()
    const query: UsageQuery = {
      fromMs: moment('from', options.from) ?? startOfMonth(nowMs),
      toMs: moment('to', options.to) ?? nowMs + 1,
      ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
      groupBy: groupsNamed(options.by),
      limit: 100_000,
    }
    if (query.toMs <= query.fromMs) {
      throw new UserError('--to is not after --from.', 2)
    }
    const models =
      options.compare === undefined
        ? undefined
        : await readPriceList(resolve(io.workingFolder, options.compare))
    const rows = await read(io, options['usage-store'], options.state, query)
    if (options.output === 'json') {
      io.out(billJson(rows))
    } else {
      io.out(billText(rows, query.groupBy))
    }
    if (models !== undefined) {
      const days = (Math.min(query.toMs, nowMs) - query.fromMs) / 86_400_000
      io.out(comparisonText(rows, models, days, replicaHour(options['gpu-hour'], rows)))
    }
    return 0
  },
})

async function read(
  io: CommandIo,
  store: string | undefined,
  state: string,
  query: UsageQuery,
): Promise<readonly UsageRow[]> {
  const path = resolve(io.workingFolder, state, 'usage.db')
  if (store === undefined && !existsSync(path)) {
    throw new UserError(
      `There is no ${path}: no service kept its bills there. --state FOLDER or --usage-store URL says where they are.`,
    )
  }
  const place = store ?? `sqlite:${path}`
  io.err(`bills of ${place.replace(/:\/\/[^@/]*@/, '://')}\n`)
  const usageStore = await openUsage(place, (message) => io.err(`${message}\n`))
  try {
    return await usageStore.query(query)
  } finally {
    await usageStore.close()
  }
}

function groupsNamed(text: string): readonly UsageGroup[] {
  return text.split(',').map((word) => {
    const group = Object.hasOwn(groups, word.trim()) ? groups[word.trim()] : undefined
    if (group === undefined) {
      throw new UserError(`--by is ${text}; write some of ${Object.keys(groups).join(', ')}.`, 2)
    }
    return group
  })
}

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
  return Math.round((gpuNanos / gpuMs) * 3_600_000)
}
