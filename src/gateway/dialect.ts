/** Whose words errors are written in, and which headers carry the request's id. */
export type Dialect = 'OpenAI' | 'Anthropic'

/** By path alone, because what is refused before it is routed has a path, too. */
export function dialectOf(path: string): Dialect {
  return /^\/v1\/messages(?:[/?]|$)/.test(path) ? 'Anthropic' : 'OpenAI'
}
