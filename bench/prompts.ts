/** Bodies that clients send. The texts hold line breaks and quotes, so that JSON escapes occur as in real prompts. */
const sentence = 'Dear support, the "export" button does nothing since Monday; I tried it twice.\n'
const accented = 'Größe und Maß: „naïve“ Übungen für Añoranza, 東京 und weiter im Text.\n'

export type Text = 'Ascii' | 'Accented'

/** Text of `bytes` bytes in UTF-8 (a few fewer where a character does not fit). */
export function promptOf(bytes: number, text: Text = 'Ascii'): string {
  const unit = text === 'Ascii' ? sentence : sentence + accented
  const all = Buffer.from(unit.repeat(Math.ceil(bytes / Buffer.byteLength(unit)))).subarray(
    0,
    bytes,
  )
  return all.toString().replace(/\uFFFD+$/, '')
}

export interface ChatRequest {
  readonly model: string
  readonly prompt: string
  /** Tokens, which the bench upstream takes as the number of chunks of a stream. */
  readonly maxTokens: number
  readonly stream: boolean
}

/** What an OpenAI client sends; no `stream_options`, so that answers carry no usage unless somebody between asks for it. */
export function chatBody(
  { model, prompt, maxTokens, stream }: ChatRequest,
  more: object = { user: 'user-0' },
): string {
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content: prompt }],
    max_tokens: maxTokens,
    temperature: 0.7,
    stream,
    ...more,
  })
}

/** The same of so many users, for each of whom limits hold. */
export function chatBodies(request: ChatRequest, users = 50): string[] {
  return Array.from({ length: users }, (_, index) => chatBody(request, { user: `user-${index}` }))
}
