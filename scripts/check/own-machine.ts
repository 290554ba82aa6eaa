import { findLines, type SourceCheck } from './source-file.ts'

/** Home folders and the like: a path that only one machine has. */
const machinePath = /(?<![\w.~})/-])\/(?:root|work|Users\/\w+|home\/\w+)\//

/** Where somebody's package manager happened to be pointed. */
const registryHost =
  /\b(?:registry\.(?:npmjs|yarnpkg)\.\w+|(?:files\.)?python(?:hosted)\.org|pypi\.org\/simple|[\w.-]+\.pkg\.dev|[\w.-]*(?:artifactory|jfrog)[\w.-]*\.\w+)\b/i

/** Nothing in the repository may depend on the machine it was written on. */
export const noOwnMachine: SourceCheck = (files) => [
  ...files.flatMap((file) =>
    findLines(file, (line) =>
      machinePath.test(line)
        ? 'an absolute path of one machine'
        : registryHost.test(line)
          ? 'a package registry; the installer knows its own'
          : undefined,
    ),
  ),
  ...files
    .filter(({ path, text }) => path === 'package-lock.json' && /"resolved": "https?:/.test(text))
    .map(
      ({ path }) =>
        `${path}: names a registry; run \`npm install\` in this folder, which has an .npmrc`,
    ),
]
