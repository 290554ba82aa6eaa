/** A tracked text file: its path from the root, with slashes, and what is in it. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** One thing that is not as it should be, as one line for a person. */
export type Finding = string

/** A check of our own: pure, so that its test needs no repository. */
export type SourceCheck = (files: readonly SourceFile[]) => readonly Finding[]

/** `path:line: words` for every line that `judge` has words for. */
export function findLines(
  file: SourceFile,
  judge: (line: string) => string | undefined,
): readonly Finding[] {
  return file.text.split('\n').flatMap((line, index) => {
    const words = judge(line)
    return words === undefined ? [] : [`${file.path}:${index + 1}: ${words}`]
  })
}
