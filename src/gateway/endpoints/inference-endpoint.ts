import type { ModelPool } from '../../api/model-pool.ts'
import type { Dialect } from '../dialect.ts'
import type { AnswerForm } from '../forms/answer-form.ts'
import type { routeFields } from '../request/request-fields.generated.ts'
import type { JsonObject } from './invalid.ts'
import type { RequestImages } from './request-images.ts'

/** Here and on the engine the same, never joined from what a client sent. */
export type InferencePath = keyof typeof routeFields

/** One inference endpoint: all that the way through the gateway depends on. */
export interface InferenceEndpoint {
  readonly path: InferencePath
  readonly dialect: Dialect
  /** What the base of a pool has to do for it; undefined: any does. */
  readonly task: ModelPool['spec']['model']['task'] | undefined
  readonly form: AnswerForm
  /** Entries of the engine's body that are always ours, a comma in front. */
  readonly fixed: string
  /** @throws LoraplexError invalid_request */
  check(body: JsonObject, images: RequestImages): void
}
