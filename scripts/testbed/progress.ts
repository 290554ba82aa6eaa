/** Says on standard error what takes long, and how long it took. */
export async function timed<T>(words: string, work: () => Promise<T>): Promise<T> {
  say(words)
  const startedAt = performance.now()
  const result = await work()
  say(`${words}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  return result
}

export function say(words: string): void {
  process.stderr.write(`testbed: ${words}\n`)
}
