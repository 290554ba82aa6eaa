import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { moneyText } from '../api/money.ts'
import { parseMoney } from '../core/money.ts'
import type { TokenPrices } from '../core/prices.ts'
import { UserError } from '../errors.ts'

const listSchema = z.strictObject({
  models: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(128),
        inputPerMillionTokens: moneyText,
        cachedInputPerMillionTokens: moneyText.optional(),
        outputPerMillionTokens: moneyText,
      }),
    )
    .min(1)
    .max(64),
})

export interface ListedModel {
  readonly name: string
  readonly prices: TokenPrices
}

/** Somebody else's prices, as YAML or JSON. @throws UserError */
export async function readPriceList(path: string): Promise<readonly ListedModel[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError(`There is no price list ${path}.`, 2)
  })
  const parsed = listSchema.safeParse(yamlOf(text, path))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new UserError(
      `${path}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}. Write models: [{name, inputPerMillionTokens: '2.50', outputPerMillionTokens: '10'}].`,
      2,
    )
  }
  return parsed.data.models.map(
    ({ name, inputPerMillionTokens, cachedInputPerMillionTokens, outputPerMillionTokens }) => ({
      name,
      prices: {
        input: parseMoney(inputPerMillionTokens) ?? 0,
        cachedInput: parseMoney(cachedInputPerMillionTokens ?? inputPerMillionTokens) ?? 0,
        output: parseMoney(outputPerMillionTokens) ?? 0,
      },
    }),
  )
}

function yamlOf(text: string, path: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new UserError(`${path} is no YAML: ${error instanceof Error ? error.message : ''}`, 2)
  }
}
