/**
 * Orders resource versions, which are the store's revision numbers. Undefined where one of the two is no number: then
 * nothing can be said, and whatever comes is taken.
 */
export function compareVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined || !isNumber(a) || !isNumber(b)) {
    return undefined
  }
  if (a.length !== b.length) {
    return a.length - b.length
  }
  return a === b ? 0 : a < b ? -1 : 1
}

export function isOlder(a: string | undefined, b: string | undefined): boolean {
  return (compareVersions(a, b) ?? 0) < 0
}

function isNumber(text: string): boolean {
  return /^[1-9][0-9]*$/.test(text)
}
