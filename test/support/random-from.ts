/** A linear congruential generator: even numbers from 0 to 1, the same for each seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  next()
  return next
}
