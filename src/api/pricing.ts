import { z } from 'zod'
import { moneyText } from './money.ts'

/** What tenants pay for tokens, and what a GPU costs. */
export const pricing = z
  .strictObject({
    gpuHour: moneyText.optional().meta({
      description:
        'What an hour of one GPU costs the operator: for reports. No budget and no tenant’s bill holds it.',
    }),
    inputPerMillionTokens: moneyText
      .optional()
      .meta({ description: 'For a million tokens of prompts.' }),
    cachedInputPerMillionTokens: moneyText.optional().meta({
      description: 'For those of them that came from the engine’s cache. Default: as the others.',
    }),
    outputPerMillionTokens: moneyText
      .optional()
      .meta({ description: 'For a million tokens of answers.' }),
  })
  .refine(
    (value) =>
      (value.inputPerMillionTokens === undefined) === (value.outputPerMillionTokens === undefined),
    {
      path: ['outputPerMillionTokens'],
      message: 'and inputPerMillionTokens go together; write 0 for what is free',
    },
  )
  .refine(
    (value) =>
      value.cachedInputPerMillionTokens === undefined || value.inputPerMillionTokens !== undefined,
    {
      path: ['cachedInputPerMillionTokens'],
      message: 'needs inputPerMillionTokens and outputPerMillionTokens',
    },
  )
