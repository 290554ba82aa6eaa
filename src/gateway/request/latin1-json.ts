/** A name as it stands in JSON bytes that are read and written as latin1. Ours are plain; a foreign engine's may not be. */
export function latin1Json(name: string): string {
  return /^[\w.:/-]*$/.test(name)
    ? `"${name}"`
    : Buffer.from(JSON.stringify(name)).toString('latin1')
}
