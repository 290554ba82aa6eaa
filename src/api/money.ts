import { z } from 'zod'

/** A decimal text in the installation's currency, below a million and whole in billionths. */
export const moneyText = z
  .string()
  .max(16)
  .regex(/^\d{1,6}(\.\d{1,9})?$/, "an amount in quotes, such as '12.50', below a million")
