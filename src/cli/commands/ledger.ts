import { UserError } from '../../errors.ts'
import { budgetCounters } from '../budget-counters.ts'
import { rebuildLedger } from '../../ledger/rebuild-ledger.ts'
import { openUsage } from '../../ledger/usage/open-usage.ts'
import { defineCommand } from '../command.ts'
import { placeOptions } from '../place.ts'
import { viewResources } from '../view-resources.ts'

export const rebuild = defineCommand({
  name: 'ledger rebuild',
  summary: 'Open a Redis that is new, or lost what it held, for limits and budgets',
  details:
    'A Redis without counters refuses everything until somebody says that it may begin. Budgets then begin at what the bills of\n' +
    '--usage-store say is used; without one, at nothing. Run it when the requests of before have ended. One that has its\n' +
    'counters is left alone.',
  args: [],
  options: {
    ...placeOptions,
    ledger: { type: 'string', summary: 'The Redis: redis://HOST:PORT', required: true },
    'usage-store': {
      type: 'string',
      summary: 'Where bills are kept: sqlite:PATH or postgres://HOST/DATABASE',
      placeholder: 'url',
    },
  },
  run: async ({ io, options }) => {
    const { snapshot } = await viewResources(io, options, undefined)
    const store = options['usage-store']
    const usage =
      store === undefined ? undefined : await openUsage(store, (words) => io.err(`${words}\n`))
    try {
      const tenants = snapshot.tenants.values()
      const counters = usage === undefined ? [] : await budgetCounters(tenants, usage, Date.now())
      if (!(await rebuildLedger(options.ledger, counters))) {
        throw new UserError('It has its counters: nothing was changed.')
      }
      io.out(`open, with ${counters.length} budgets as the bills have them\n`)
      return 0
    } finally {
      await usage?.close()
    }
  },
})
