/** The JSON of a frame with one `data:` line; latin1 text in, text out. Empty where there is none. */
export function dataOf(frame: string): string {
  const at = frame.indexOf('data: ')
  return at === -1
    ? ''
    : Buffer.from(frame.slice(at + 6), 'latin1')
        .toString('utf8')
        .trim()
}
