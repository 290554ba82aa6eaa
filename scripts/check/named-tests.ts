import type { SourceCheck } from './source-file.ts'

/** A page that says which test holds a thing names a test that is there, by its path below `src` or `test`. */
export const namedTests: SourceCheck = (files) => {
  const paths = files.map(({ path }) => path)
  return files
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/`([\w./-]+\.test\.ts)`/g)]
        .map((match) => match[1] ?? '')
        .filter((named) => !paths.some((one) => one.endsWith(`/${named}`)))
        .map((named) => `${path}: names ${named}, which is not there`),
    )
}
