/** The oldest vLLM that keeps tenants apart: path-keyed prefix cache, PEFT checks, closed CORS. */
export const minimumVersion = '0.32'

/** Whether vLLM's own version string (`0.32.0`, `0.32.0+cpu`, `0.33.1rc2.dev7+g1a2b`) is at or above the floor. */
export function isSupportedVersion(version: string): boolean {
  const found = majorAndMinor(version)
  const floor = majorAndMinor(minimumVersion)
  if (found === undefined || floor === undefined) {
    return false
  }
  return found[0] > floor[0] || (found[0] === floor[0] && found[1] >= floor[1])
}

function majorAndMinor(version: string): readonly [number, number] | undefined {
  const match = /^v?(\d{1,6})\.(\d{1,6})(?![\d])/.exec(version.trim())
  return match === null ? undefined : [Number(match[1]), Number(match[2])]
}
