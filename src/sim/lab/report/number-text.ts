/** `0`, `0.5`, `20`, `1,500`, `20k`, `3M`: short enough for an axis. */
export function numberText(value: number): string {
  if (value >= 1_000_000) {
    return `${shortest(value / 1_000_000)}M`
  }
  if (value >= 10_000) {
    return `${shortest(value / 1000)}k`
  }
  return value >= 1000 ? value.toLocaleString('en-US') : shortest(value)
}

function shortest(value: number): string {
  return String(Number(value.toPrecision(6)))
}
