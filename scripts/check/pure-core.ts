import { isProductSource } from './import-rules.ts'
import { findLines, type SourceCheck } from './source-file.ts'

/** Clock, random, timers and I/O come into `core` as arguments, so that a decision can be replayed. */
const impure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\./, 'the clock'],
  [/\bMath\.random\b|\brandom(?:Bytes|UUID|Int)\b|\bgetRandomValues\b/, 'random'],
  [/\bset(?:Timeout|Interval|Immediate)\b/, 'a timer'],
  [/(?<![.\w])fetch\(/, 'the network'],
  [/(?<![.\w])process\./, 'the process'],
]

export const pureCore: SourceCheck = (files) =>
  files
    .filter((file) => isProductSource(file) && file.path.startsWith('src/core/'))
    .flatMap((file) =>
      findLines(file, (line) => {
        const code = line.replace(/^\s*(?:\/\/|\*|\/\*).*/, '')
        const found = impure.filter(([pattern]) => pattern.test(code)).map(([, noun]) => noun)
        return found.length === 0
          ? undefined
          : `core uses ${found.join(' and ')}; take it as an argument`
      }),
    )
