import type { FastifyReply } from 'fastify'
import type { z } from 'zod'

/** What another process sent, judged; undefined: it was refused already, with the field's name. */
export function parseBody<S extends z.ZodType>(
  schema: S,
  body: unknown,
  reply: FastifyReply,
): z.infer<S> | undefined {
  const parsed = schema.safeParse(body)
  if (parsed.success) {
    return parsed.data
  }
  const [issue] = parsed.error.issues
  void reply.code(400).send({ error: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}` })
  return undefined
}
