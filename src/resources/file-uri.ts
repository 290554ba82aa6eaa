import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The absolute path of `file:///abs`, `file:./rel` or `file:../rel`; relative ones start at the folder of their YAML. */
export function pathOfFileUri(uri: string, baseFolder: string): string {
  const rest = uri.slice('file:'.length)
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  return resolve(baseFolder, decodeURIComponent(path))
}

/** The same as `file:///absolute`; a trailing slash stays. */
export function absoluteFileUri(uri: string, baseFolder: string): string {
  const slash = uri.endsWith('/') ? '/' : ''
  // `${namespace}` of a source prefix must come through unescaped.
  return `file://${decodeURIComponent(pathToFileURL(pathOfFileUri(uri, baseFolder)).pathname)}${slash}`
}
