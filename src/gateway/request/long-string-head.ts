/** How a long string begins tells what an image is; the rest is the engine's to judge. */
const headBytes = 64

/**
 * JSON text that stands for a long string: its first characters, and an ellipsis so that it is never taken for the whole.
 * Escapes end it; the slash has one that some clients write.
 * @param start of its opening quote
 */
export function longStringHead(body: Buffer, start: number): string {
  const text = body.toString('latin1', start + 1, start + 1 + headBytes)
  return `"${/^(?:[\w+/=:;,. -]|\\\/)*/.exec(text)?.[0] ?? ''}…"`
}
