import { z } from 'zod'

const greatest = 1_000_000_000_000

const upTo = (most: number, description: string) =>
  z.int().min(0).max(most).optional().meta({ description })

/** One shape on tenants, their models, their users and on keys. Absent is none, 0 blocks; of several the smallest wins. */
export const limits = z.strictObject({
  requestsPerMinute: upTo(greatest, 'Requests that may begin in a minute of the clock.'),
  tokensPerMinute: upTo(
    greatest,
    'Tokens of prompts and answers in a minute of the clock; what a request may use is held while it runs.',
  ),
  requestsPerDay: upTo(greatest, 'Requests in a day, which begins at 00:00 UTC.'),
  tokensPerDay: upTo(greatest, 'Tokens in a day, which begins at 00:00 UTC.'),
  concurrentRequests: upTo(1_000_000, 'Requests under way at once, over all gateways.'),
  maxInputTokens: upTo(
    10_000_000,
    'Tokens of the prompts of one request together, as the engine counts them. A longer request is refused.',
  ),
  maxOutputTokens: upTo(
    10_000_000,
    'Tokens of one answer. A request that asks for more is refused; one that asks for none gets this as its cap.',
  ),
  maxQueueSeconds: upTo(
    3600,
    'How long a request may wait for its turn; less than what the gateway lets it wait.',
  ),
})

export type Limits = z.infer<typeof limits>
