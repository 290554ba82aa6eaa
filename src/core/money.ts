/**
 * Money is whole nanos of the installation's currency: a billionth, so that the price of one token is whole. As a number it
 * stays below 2^53, which is 9,007,199.254740991; sums beyond it are `bigint`.
 */
const nanosPerUnit = 1_000_000_000n
const pattern = /^(\d{1,16})(?:\.(\d{1,9}))?$/

/** `0.25` → 250,000,000. Undefined for what is no amount, has more than nine decimals, or is above what a number holds. */
export function parseMoney(text: string): number | undefined {
  const match = pattern.exec(text)
  if (match === null) {
    return undefined
  }
  const [, units = '', decimals = ''] = match
  const nanos = BigInt(units) * nanosPerUnit + BigInt(decimals.padEnd(9, '0'))
  return nanos <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(nanos) : undefined
}

/** 250,000,000 → `0.25`: no more decimals than it has. */
export function printMoney(nanos: number | bigint): string {
  const whole = BigInt(nanos)
  const size = whole < 0n ? -whole : whole
  const decimals = String(size % nanosPerUnit)
    .padStart(9, '0')
    .replace(/0+$/, '')
  const text = decimals === '' ? '' : `.${decimals}`
  return `${whole < 0n ? '-' : ''}${size / nanosPerUnit}${text}`
}
