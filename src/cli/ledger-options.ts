import type { GuardOptions } from '../ledger/guarded-ledger.ts'
import type { OptionValues } from './command.ts'

const awayModes = ['Closed', 'LocalShare', 'Open'] as const

/** Of every command that serves tenants. */
export const ledgerOptions = {
  ledger: {
    type: 'string',
    summary:
      'Where limits and budgets are counted: memory:, sqlite:PATH, redis://HOST:PORT or postgres://HOST/DATABASE',
    placeholder: 'url',
  },
  'usage-store': {
    type: 'string',
    summary:
      'Where bills are kept: memory:, sqlite:PATH or postgres://HOST/DATABASE; default: beside the ledger',
    placeholder: 'url',
  },
  currency: {
    type: 'string',
    summary: 'What prices and budgets are in, as ISO 4217 writes it',
    placeholder: 'code',
    default: 'usd',
  },
  'budgets-while-away': {
    type: 'string',
    summary:
      'While a shared ledger is away, requests under a budget: refused; by this gateway’s share of it; or not counted',
    choices: awayModes,
    default: 'Closed',
  },
  'rates-while-away': {
    type: 'string',
    summary: 'The same of requests under other limits',
    choices: awayModes,
    default: 'LocalShare',
  },
  'ledger-timeout-ms': {
    type: 'integer',
    summary: 'A shared ledger that takes longer to answer is away',
    minimum: 10,
    maximum: 60_000,
    default: 500,
  },
} as const

/** What holds while a shared ledger is down or slow. */
export function guardOf(
  options: OptionValues<typeof ledgerOptions>,
): Pick<GuardOptions, 'whenAway' | 'timeoutMs'> {
  return {
    whenAway: { Budget: options['budgets-while-away'], Rate: options['rates-while-away'] },
    timeoutMs: options['ledger-timeout-ms'],
  }
}
