/** A time as callers read it: ISO 8601, UTC, without milliseconds where there are none. */
export function moment(atMs: number): string {
  return new Date(atMs).toISOString().replace('.000Z', 'Z')
}
