import { z } from 'zod'
import { fault, type FieldProblem } from '../../api/field-problem.ts'
import type { DeclaredMeta } from '../../api/validate.ts'
import type { DeclaredNamespace, DeclaredObject, DeclaredSecret } from './declared-object.ts'

/** Kubernetes' own names are longer than ours: a DNS subdomain. */
const subdomain = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/,
    'lower-case letters, digits, hyphens and dots, a letter or digit at both ends',
  )
const texts = z.record(z.string().max(317), z.string())
const metadata = z.object({
  name: subdomain,
  namespace: subdomain.optional(),
  labels: texts.nullish(),
  annotations: texts.nullish(),
})
const namespace = z.object({ metadata })
const maxSecretChars = 1_400_000 // Kubernetes' 1 MiB in base64
const secret = z.object({
  metadata,
  data: z
    .record(
      z.string().max(253),
      z.base64('base64 (stringData takes plain text)').max(maxSecretChars),
    )
    .nullish(),
  stringData: z.record(z.string().max(253), z.string().max(maxSecretChars)).nullish(),
})

export interface CoreValidation {
  readonly object?: DeclaredObject
  readonly problems: readonly FieldProblem[]
}

/** A `v1` Secret or Namespace; fields that mean nothing here are left alone, as the API server knows them. */
export function validateCoreObject(kind: 'Secret' | 'Namespace', raw: unknown): CoreValidation {
  return kind === 'Secret' ? validateSecret(raw) : validateNamespace(raw)
}

function validateSecret(raw: unknown): CoreValidation {
  const parsed = secret.safeParse(raw)
  if (!parsed.success) {
    return { problems: problemsOf(parsed.error) }
  }
  const decoded = Object.entries(parsed.data.data ?? {}).map(([name, value]) => [
    name,
    Buffer.from(value, 'base64').toString('utf8'),
  ])
  const object: DeclaredSecret = {
    kind: 'Secret',
    metadata: metaOf(parsed.data.metadata, parsed.data.metadata.namespace ?? 'default'),
    data: { ...Object.fromEntries(decoded), ...parsed.data.stringData },
  }
  return { object, problems: [] }
}

function validateNamespace(raw: unknown): CoreValidation {
  const parsed = namespace.safeParse(raw)
  if (!parsed.success) {
    return { problems: problemsOf(parsed.error) }
  }
  const object: DeclaredNamespace = {
    kind: 'Namespace',
    metadata: metaOf(parsed.data.metadata, ''),
  }
  return { object, problems: [] }
}

function metaOf(written: z.infer<typeof metadata>, inNamespace: string): DeclaredMeta {
  return {
    name: written.name,
    namespace: inNamespace,
    labels: written.labels ?? {},
    annotations: written.annotations ?? {},
  }
}

/** The values stay out of the words (I14). */
function problemsOf(failure: z.ZodError): readonly FieldProblem[] {
  return failure.issues.slice(0, 20).map((issue) =>
    fault(
      issue.path.map((step) => (typeof step === 'number' ? step : String(step))),
      wordsFor(issue),
    ),
  )
}

function wordsFor(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return issue.expected === 'string'
      ? 'must be a text; put it in quotes where it looks like a number or like true'
      : 'must be a map of fields'
  }
  return issue.code === 'invalid_format' ? `is not right; write ${issue.message}` : 'is too long'
}
