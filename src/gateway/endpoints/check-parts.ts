import { invalid, isObject } from './invalid.ts'

/**
 * Content is text, or a list of parts of the types named. I8: media would make the engine fetch URLs, files are kept
 * nowhere here, and a pool of text models takes text.
 * @throws LoraplexError invalid_request
 */
export function checkParts(content: unknown, path: string, types: ReadonlySet<string>): void {
  if (content === undefined || content === null || typeof content === 'string') {
    return
  }
  if (!Array.isArray(content)) {
    throw invalid(`${path} must be text or a list of parts.`, path)
  }
  content.forEach((part: unknown, place) => {
    const partPath = `${path}[${place}]`
    const type = isObject(part) ? part['type'] : undefined
    if (typeof type !== 'string' || !types.has(type)) {
      const [first = 'text'] = types
      throw invalid(`${partPath} must be of type '${first}': this model takes text only.`, partPath)
    }
    // What a tool gave back is content again.
    if (isObject(part) && type === 'tool_result') {
      checkParts(part['content'], `${partPath}.content`, toolResultParts)
    }
  })
}

const toolResultParts: ReadonlySet<string> = new Set(['text'])
