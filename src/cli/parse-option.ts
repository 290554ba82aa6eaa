import { UserError } from '../errors.ts'
import type { OptionSpec } from './command.ts'

/** `--admin-port` is `LORAPLEX_ADMIN_PORT`. */
export function environmentNameOf(flag: string): string {
  return `LORAPLEX_${flag.replaceAll('-', '_').toUpperCase()}`
}

/**
 * The value of one option: the command line's, else the environment's, else the default.
 *
 * @param where the flag or variable, for the words of a mistake.
 * @throws UserError (exit code 2) that names the flag or variable and what it takes.
 */
export function resolveOption(
  flag: string,
  spec: OptionSpec,
  written: string | boolean | undefined,
  env: NodeJS.ProcessEnv,
): string | number | boolean | undefined {
  if (written !== undefined) {
    return parseValue(`--${flag}`, spec, written)
  }
  const variable = environmentNameOf(flag)
  const inherited = env[variable]
  if (inherited !== undefined && inherited !== '') {
    return parseValue(variable, spec, inherited)
  }
  if (spec.type === 'string' && spec.required === true) {
    throw new UserError(`--${flag} is missing: ${spec.summary}`, 2)
  }
  return spec.type === 'boolean' ? false : spec.default
}

function parseValue(
  where: string,
  spec: OptionSpec,
  text: string | boolean,
): string | number | boolean {
  switch (spec.type) {
    case 'boolean':
      return typeof text === 'boolean' ? text : parseBoolean(where, text)
    case 'integer':
      return parseInteger(where, spec, String(text))
    case 'string':
      return parseString(where, spec, String(text))
    default:
      return spec satisfies never
  }
}

function parseBoolean(where: string, text: string): boolean {
  if (/^(true|1|yes|on)$/i.test(text)) {
    return true
  }
  if (/^(false|0|no|off)$/i.test(text)) {
    return false
  }
  throw new UserError(`${where} is ${JSON.stringify(text)}; write true or false.`, 2)
}

function parseInteger(
  where: string,
  spec: OptionSpec & { readonly type: 'integer' },
  text: string,
): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= spec.minimum && value <= spec.maximum)) {
    throw new UserError(
      `${where} is ${JSON.stringify(text)}; write a whole number from ${spec.minimum} to ${spec.maximum}.`,
      2,
    )
  }
  return value
}

function parseString(
  where: string,
  spec: OptionSpec & { readonly type: 'string' },
  text: string,
): string {
  if (text === '') {
    throw new UserError(`${where} is empty; give it a value.`, 2)
  }
  if (spec.choices !== undefined && !spec.choices.includes(text)) {
    throw new UserError(
      `${where} is ${JSON.stringify(text)}; write one of ${spec.choices.join(', ')}.`,
      2,
    )
  }
  return text
}
