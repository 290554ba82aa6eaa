import { UserError } from '../errors.ts'

const milliseconds: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** `90s`, `15m`, `24h` or `7d` in milliseconds. @throws UserError (exit code 2) that names the flag. */
export function parseDuration(flag: string, text: string): number {
  const [, count, unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? []
  const unitMs = milliseconds[unit]
  if (count === undefined || unitMs === undefined) {
    throw new UserError(`--${flag} is ${JSON.stringify(text)}; write 90s, 15m, 24h or 7d.`, 2)
  }
  return Number(count) * unitMs
}
