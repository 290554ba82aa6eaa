import type { Line } from './types.ts'

/** The line as one of several gateways may grant it alone: the cap divided, and at least 1 so that nobody is shut out. */
export function localShare(line: Line, gateways: number): Line {
  const { cap } = line
  return cap === undefined || cap === 0
    ? line
    : { ...line, cap: Math.max(1, Math.floor(cap / Math.max(1, gateways))) }
}
