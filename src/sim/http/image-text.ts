import { hashText } from '../hash.ts'
import type { Json } from './validation.ts'
import { badRequest } from './wire.ts'

/** Made up: models make tens to thousands of tokens of an image. */
const imageWords = 16

/** A part that is an image in one of the APIs, as text of the prompt; undefined for other parts. Throws vLLM's 400s. */
export function imageText(part: Json): string | undefined {
  const url = urlOf(part)
  if (url === undefined) {
    return undefined
  }
  const [head = '', data] = url.split(',', 2)
  if (!/^data:/i.test(head)) {
    const host = URL.parse(url)?.hostname ?? ''
    throw badRequest(
      `The URL must be from one of the allowed domains: ['media.invalid']. Input URL domain: ${host}`,
    )
  }
  if (data === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) {
    throw badRequest('Failed to load image: cannot identify image file')
  }
  // Another image is another prompt.
  return ` img${hashText(data).toString(36).slice(0, 4)}`.repeat(imageWords)
}

function urlOf(part: Json): string | undefined {
  const { type, image_url: image, source } = part
  if (type === 'image_url' || type === 'input_image') {
    const { url } = typeof image === 'object' && image !== null ? (image as Json) : { url: image }
    return typeof url === 'string' ? url : ''
  }
  if (type === 'image' && typeof source === 'object' && source !== null) {
    const { url, media_type: media = 'image/jpeg', data = '' } = source as Json
    return typeof url === 'string' ? url : `data:${String(media)};base64,${String(data)}`
  }
  return undefined
}
