import { invalid, isObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

/** Of each API: the parts of its content that are images. */
const imageTypes: ReadonlySet<string> = new Set(['image_url', 'input_image', 'image'])

/**
 * Content is text, or a list of parts of the types named. I8: other media would make the engine fetch URLs, and files are
 * kept nowhere here.
 * @throws LoraplexError invalid_request
 */
export function checkParts(
  content: unknown,
  path: string,
  types: ReadonlySet<string>,
  images: RequestImages,
): void {
  if (content === undefined || content === null || typeof content === 'string') {
    return
  }
  if (!Array.isArray(content)) {
    throw invalid(`${path} must be text or a list of parts.`, path)
  }
  content.forEach((part: unknown, place) => {
    const partPath = `${path}[${place}]`
    const type = isObject(part) ? part['type'] : undefined
    if (
      !isObject(part) ||
      typeof type !== 'string' ||
      !types.has(type) ||
      (imageTypes.has(type) && !images.areTaken)
    ) {
      throw wrongType(partPath, types, images)
    }
    // I7: vLLM finds media of anybody by this name, and then reads a part by other fields than its type.
    if (part['uuid'] !== undefined && part['uuid'] !== null) {
      throw invalid(`${partPath}.uuid cannot be set here.`, `${partPath}.uuid`)
    }
    if (imageTypes.has(type)) {
      images.add(part, partPath)
    }
    // What a tool gave back is content again.
    if (type === 'tool_result') {
      checkParts(part['content'], `${partPath}.content`, toolResultParts, images)
    }
  })
}

const toolResultParts: ReadonlySet<string> = new Set(['text', 'image'])

function wrongType(path: string, types: ReadonlySet<string>, { areTaken }: RequestImages): Error {
  const [text = 'text'] = types
  const image = [...types].find((type) => imageTypes.has(type))
  return invalid(
    areTaken && image !== undefined
      ? `${path} must be of type '${text}' or '${image}'.`
      : `${path} must be of type '${text}': ${areTaken ? 'images are not read here' : 'this model takes text only'}.`,
    path,
  )
}
