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
} as const
