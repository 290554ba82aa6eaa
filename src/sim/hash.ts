/** FNV-1a over UTF-16 code units, continued from `seed`; an unsigned 32-bit number. Not for anything that must resist an attacker. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

/** Mixes two 32-bit numbers into one whose bits all depend on both (the finaliser of MurmurHash3). */
export function mix(a: number, b: number): number {
  let hash = (a ^ Math.imul(b, 0x9e3779b1)) >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** `mix` as a fraction in [0, 1). */
export function fraction(a: number, b: number): number {
  return mix(a, b) / 0x1_0000_0000
}

/** Numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let n = 0
  return () => fraction(seed, ++n)
}
