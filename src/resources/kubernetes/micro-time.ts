/** Kubernetes' MicroTime: RFC 3339 with six digits, or the server refuses it. */
export function microTime(date: Date): string {
  return date.toISOString().replace(/\.(\d{3})Z$/, '.$1000Z')
}
