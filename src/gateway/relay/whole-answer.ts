import type { AnswerForm } from '../forms/answer-form.ts'
import { engineFingerprint } from '../forms/engine-fingerprint.ts'
import type { RewriteOptions } from '../forms/frame-rewriter.ts'
import { lastUsage } from '../forms/last-usage.ts'
import { nameEntries } from '../forms/name-entries.ts'
import { latin1Json } from '../request/latin1-json.ts'
import { parseUsage, type Usage } from './usage.ts'

/** What an answer without a stream turned out to be. */
export type WholeAnswer =
  | { readonly kind: 'Answer'; readonly text: string; readonly usage: Usage | undefined }
  | { readonly kind: 'WrongModel' }
  | { readonly kind: 'Aborted' }

/** The engine's answer as the caller gets it: latin1 text in and out, the caller's name in place of the engine's (I1). */
export function rewriteWholeAnswer(
  text: string,
  form: AnswerForm,
  options: Pick<RewriteOptions, 'engineModel' | 'callerModel' | 'fingerprint'>,
): WholeAnswer {
  if (!form.named) {
    return { kind: 'Answer', text, usage: undefined }
  }
  const needle = `"model":${latin1Json(options.engineModel)}`
  const at = text.indexOf(needle)
  if (at === -1) {
    return { kind: 'WrongModel' }
  }
  const after = text.slice(at + needle.length)
  if (form.isAborted(after)) {
    return { kind: 'Aborted' }
  }
  const rest = after.replace(engineFingerprint, '')
  const usage = parseUsage(lastUsage(rest), false)
  return { kind: 'Answer', text: text.slice(0, at) + nameEntries(options) + rest, usage }
}
