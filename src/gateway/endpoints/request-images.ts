import { maxImages } from '../../api/max-images.ts'
import { invalid, isObject, type JsonObject } from './invalid.ts'

/** The images of one request, as they are found. */
export class RequestImages {
  /** The model's pool has `Image` among its inputs. */
  readonly areTaken: boolean
  #count = 0

  constructor(areTaken: boolean) {
    this.areTaken = areTaken
  }

  get count(): number {
    return this.#count
  }

  /** I8: an image is its own bytes; a URL would have the engine fetch it. @throws LoraplexError invalid_request */
  add(part: JsonObject, path: string): void {
    const { url, field } = dataOf(part)
    const fieldPath = `${path}.${field}`
    if (url === undefined || !isInlineImage(url)) {
      throw invalid(
        `${fieldPath} must hold the image itself, as base64 of image/png, image/jpeg, image/webp or image/gif: no URL is fetched, and no file is kept.`,
        fieldPath,
      )
    }
    this.#count += 1
    if (this.#count > maxImages) {
      throw invalid(`${path} is one image too many: a request may have ${maxImages}.`, path)
    }
  }
}

interface ImageData {
  /** As a data URL; undefined: there is none. */
  readonly url: string | undefined
  /** Where it stands in its part. */
  readonly field: string
}

function dataOf({ type, image_url: image, source, file_id: file }: JsonObject): ImageData {
  switch (type) {
    case 'image_url':
      return { url: isObject(image) ? textOf(image['url']) : undefined, field: 'image_url.url' }
    case 'input_image':
      return file === undefined || file === null
        ? { url: textOf(image), field: 'image_url' }
        : { url: undefined, field: 'file_id' }
    default: {
      const { type: kind, media_type: media, data } = isObject(source) ? source : {}
      const isWhole = kind === 'base64' && typeof media === 'string' && typeof data === 'string'
      return { url: isWhole ? `data:${media};base64,${data}` : undefined, field: 'source' }
    }
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** So many characters of base64 are the twelve bytes that tell what a file is. */
const inlineImage = /^data:image\/(?:png|jpeg|jpg|webp|gif);base64,(?<start>[A-Za-z0-9+/]{16})/

/** By what it is, not by what it is called: the engine's image library would read forty formats. */
function isInlineImage(url: string): boolean {
  const start = inlineImage.exec(url)?.groups?.['start']
  if (start === undefined) {
    return false
  }
  const bytes = Buffer.from(start, 'base64').toString('latin1')
  return (
    bytes.startsWith('\x89PNG\r\n\x1a\n') ||
    bytes.startsWith('\xff\xd8\xff') ||
    bytes.startsWith('GIF8') ||
    (bytes.startsWith('RIFF') && bytes.endsWith('WEBP'))
  )
}
