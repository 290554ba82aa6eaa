import { posix } from 'node:path'
import type { SourceCheck, SourceFile } from './source-file.ts'

const link = /\]\(([^)\s]+)\)/g

/** Every relative link of a page leads to a tracked file or folder. */
export const liveLinks: SourceCheck = (files) => {
  const paths = new Set(files.flatMap(({ path }) => parents(path)))
  return files
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap((file) =>
      targetsOf(file)
        .filter((target) => !paths.has(target))
        .map((target) => `${file.path}: links to ${target}, which is not there`),
    )
}

function targetsOf({ path, text }: SourceFile): readonly string[] {
  return [...text.matchAll(link)]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .map((target) => posix.join(posix.dirname(path), target.replace(/#.*/, '')).replace(/\/$/, ''))
}

/** A file, and every folder it lies in. */
function parents(path: string): readonly string[] {
  const steps = path.split('/')
  return steps.map((_, index) => steps.slice(0, index + 1).join('/'))
}
