const steps = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const

/** Bytes for people: at most one digit behind the point, never less than it is. */
export function sizeText(bytes: number): string {
  const step = Math.min(
    steps.length - 1,
    Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)),
  )
  return `${Math.ceil((bytes / 1024 ** step) * 10) / 10}${steps[step] ?? ''}`
}
