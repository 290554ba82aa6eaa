/**
 * Where base models and adapters come from. The patterns are part of the CRDs: no look-around, so that the API server
 * reads them as we do. `..` and `.` as a step are refused by a rule of their own (`hasDotStep`).
 */
const claim = 'pvc://[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?'
const file = 'file:.+'

export const modelUriPattern = new RegExp(
  `^(${file}|${claim}(/[^\\s?#]*)?|hf://[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9._/-]*)$`,
)

export const modelUriWords =
  'hf://organisation/name@revision, pvc://claim/path or file:///absolute/folder'

/** An https source has no query and no user: a secret belongs in secretRef, and prefixes speak of the path. */
export const adapterUriPattern = new RegExp(
  `^(${file}|${claim}/[^\\s?#]+|https://[a-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+)$`,
)

export const adapterUriWords =
  'file:///absolute/folder, pvc://claim/path or https://host/file.tar.gz without ? # and user'

/** A prefix is compared as it is written, so it must be in its normal form: no percent signs, lower-case host. */
export const uriPrefixPattern = new RegExp(
  `^(file:.*/|${claim}/([^\\s?#%]+/)?|https://[a-z0-9.-]+(:[0-9]{1,5})?/([A-Za-z0-9._~$\\{\\}/-]+/)?)$`,
)

export const uriPrefixWords =
  'file:…, pvc://claim/… or https://host/…, ending in /; may hold ${namespace}'

/** `.` or `..` as a step of the path: a way out of a prefix. */
export const dotStepPattern = /\/\.{1,2}(\/|$)/

/** File URIs may be relative and are made absolute before anything is compared. */
export function hasDotStep(uri: string): boolean {
  return !uri.startsWith('file:') && dotStepPattern.test(uri)
}
