import type { RewriteOptions } from './frame-rewriter.ts'

/** What stands in an answer in place of the engine's `model`: the caller's name, and which revision gave it. */
export function nameEntries(options: Pick<RewriteOptions, 'callerModel' | 'fingerprint'>): string {
  return `"model":"${options.callerModel}","system_fingerprint":"${options.fingerprint}"`
}
