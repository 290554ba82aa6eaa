import type { AnswerForm } from './answer-form.ts'

const never = (): boolean => false

/** Embeddings, scores: one answer with the model's name in it. */
export const namedForm: AnswerForm = { named: true, isAborted: never }

/** Counts of tokens, which are the base's for each of its adapters: no name, nothing of a tenant's. */
export const countForm: AnswerForm = { named: false, isAborted: never }
