import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GoModule } from './go-module.ts'
import { versions } from './versions.ts'

/**
 * A module that requires `k8s.io/kubernetes`, whose own go.mod is not made for that: it takes its libraries from folders
 * beside it, which the published module does not have.
 */
export async function kubernetesModule(folder: string, log: string): Promise<GoModule> {
  const module = await GoModule.create(folder, log, { 'go.mod': 'module testbed\n' })
  const { kubernetes, kubernetesLibraries } = versions
  const found: { readonly Dir: string } = JSON.parse(
    await module.go('mod', 'download', '-json', `k8s.io/kubernetes@${kubernetes}`),
  )
  await module.write('go.mod', asRequirement(await readFile(join(found.Dir, 'go.mod'), 'utf8')))
  await module.write('go.sum', await readFile(join(found.Dir, 'go.sum'), 'utf8'))
  return module

  function asRequirement(text: string): string {
    const language = /^go .*$/m.exec(text)?.[0] ?? ''
    const required = [...text.matchAll(/^require \((.*?)^\)/gms)].map(
      ([, block = '']) =>
        `require (${block.replaceAll(/(k8s\.io\/\S+) v0\.0\.0$/gm, `$1 ${kubernetesLibraries}`)})`,
    )
    const replaced = [...text.matchAll(/^\s+(k8s\.io\/\S+) => /gm)].map(
      ([, name = '']) => `\t${name} => ${name} ${kubernetesLibraries}`,
    )
    return [
      'module testbed',
      language,
      `require k8s.io/kubernetes ${kubernetes}`,
      ...required,
      'replace (',
      ...replaced,
      ')',
      '',
    ].join('\n')
  }
}
