import { z } from 'zod'
import { objectName } from './metadata.ts'
import { moneyText } from './money.ts'

/** What may be used in one day or month of a calendar. */
export const budget = z
  .strictObject({
    name: objectName.meta({ description: 'Tells budgets apart; part of what callers are told.' }),
    window: z.enum(['Day', 'Month']).meta({ description: 'Of the calendar, in `timeZone`.' }),
    timeZone: z
      .string()
      .max(64)
      .regex(/^[A-Z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/, 'a time zone such as Europe/Berlin')
      .default('UTC')
      .meta({ description: 'Where the day or month begins: a name of the IANA database.' }),
    tokens: z
      .int()
      .min(0)
      .max(1_000_000_000_000_000)
      .optional()
      .meta({ description: 'Tokens of prompts and answers together.' }),
    amount: moneyText.optional().meta({
      description: 'Money, by the prices of the pools; a pool without prices answers nothing then.',
    }),
    action: z.enum(['Block', 'Warn']).default('Block').meta({
      description: 'Whether a spent budget refuses requests, or only says so in a header.',
    }),
  })
  .refine((value) => value.tokens !== undefined || value.amount !== undefined, {
    path: ['tokens'],
    message: 'is missing; write tokens, amount or both',
  })

export type Budget = z.infer<typeof budget>
