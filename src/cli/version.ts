import { readFileSync } from 'node:fs'
import { BugError } from '../errors.ts'

/** The version of package.json, which lies two folders up both in a checkout and in a build. */
export function loraplexVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest: unknown = JSON.parse(text)
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version)
  }
  throw new BugError('package.json has no version')
}
