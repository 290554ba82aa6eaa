import { stringify } from 'yaml'
import { kinds, type AnyResource, type Kind } from '../../api/kinds.ts'
import { apiVersion, keyOf } from '../../api/metadata.ts'
import { nearestName } from '../../api/nearest-name.ts'
import { UserError } from '../../errors.ts'
import { resourcesOf } from '../../resources/directory/snapshot.ts'
import { defineCommand } from '../command.ts'
import { columnsOf, type Column } from '../get-columns.ts'
import { placeOptions } from '../place.ts'
import type { ResourceView } from '../resource-view.ts'
import { countText, tableText } from '../table.ts'
import { viewResources } from '../view-resources.ts'

export const get = defineCommand({
  name: 'get',
  summary: 'Show the objects of a folder or a cluster and their statuses',
  details:
    'Kinds: pools (lpp), adapters (lora), tenants (lpt), keys (lpk), each also by its full name; all is the default.\n' +
    'Example: loraplex get lora -n acme -o wide',
  args: [
    { name: 'kind', summary: 'which kind', optional: true, default: 'all' },
    { name: 'name', summary: 'which object', optional: true },
  ],
  options: {
    ...placeOptions,
    namespace: { type: 'string', short: 'n', summary: 'only objects of this namespace' },
    output: {
      type: 'string',
      short: 'o',
      summary: 'how objects are printed',
      choices: ['table', 'wide', 'yaml', 'json'],
      default: 'table',
    },
  },
  run: async ({ io, args, options }) => {
    const [kindWord = 'all', name] = args
    const wanted = kindsNamed(kindWord)
    const view = await viewResources(io, options, options.namespace)
    const resources = resourcesOf(view.snapshot)
      .filter(({ kind }) => wanted.includes(kind))
      .filter(({ metadata }) => name === undefined || metadata.name === name)
      .filter(
        ({ metadata }) =>
          options.namespace === undefined || metadata.namespace === options.namespace,
      )
      .sort((a, b) => (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1))
    if (name !== undefined && resources.length === 0) {
      throw new UserError(notFound(view, wanted, name))
    }
    if (options.output === 'json' || options.output === 'yaml') {
      io.out(listText(resources, view, options.output))
      return 0
    }
    io.out(tables(resources, wanted, view, options.output === 'wide'))
    if (resources.length === 0) {
      io.err('no objects\n')
    }
    const errors = view.problems.filter(({ severity }) => severity === 'Error').length
    if (errors > 0) {
      io.err(
        view.checkCommand === undefined
          ? `${countText(errors, 'error')}: ${errorLines(view)}\n`
          : `${countText(errors, 'error')} in the files; ${view.checkCommand} shows them\n`,
      )
    }
    return 0
  },
})

function errorLines(view: ResourceView): string {
  return view.problems
    .filter(({ severity }) => severity === 'Error')
    .slice(0, 10)
    .map(({ where, message }) => `${where} ${message}`)
    .join('\n')
}

const plainNames: Readonly<Record<string, Kind>> = {
  pool: 'ModelPool',
  pools: 'ModelPool',
  adapter: 'LoraAdapter',
  adapters: 'LoraAdapter',
  tenant: 'ModelTenant',
  tenants: 'ModelTenant',
  key: 'TenantKey',
  keys: 'TenantKey',
}

function kindsNamed(word: string): readonly Kind[] {
  const all = Object.keys(kinds) as Kind[]
  if (word === 'all') {
    return all
  }
  const names = new Map<string, Kind>(Object.entries(plainNames))
  for (const kind of all) {
    const { plural, shortName } = kinds[kind]
    for (const name of [kind.toLowerCase(), plural, shortName, `${plural}.loraplex.dev`]) {
      names.set(name, kind)
    }
  }
  const found = names.get(word.toLowerCase())
  if (found === undefined) {
    const near = nearestName(word, names.keys())
    throw new UserError(
      `There is no kind ${word}. ${
        near === undefined
          ? `Kinds are all, ${Object.keys(plainNames)
              .filter((name) => name.endsWith('s'))
              .join(', ')}.`
          : `Did you mean ${near}?`
      }`,
      2,
    )
  }
  return [found]
}

function notFound(view: ResourceView, wanted: readonly Kind[], name: string): string {
  const names = resourcesOf(view.snapshot)
    .filter(({ kind }) => wanted.includes(kind))
    .map(({ metadata }) => metadata.name)
  const near = nearestName(name, names)
  return `There is no ${wanted.length === 1 ? String(wanted[0]) : 'object'} ${name} in ${view.place}.${near === undefined ? '' : ` Did you mean ${near}?`}`
}

function tables(
  resources: readonly AnyResource[],
  wanted: readonly Kind[],
  view: ResourceView,
  isWide: boolean,
): string {
  const nowMs = Date.now()
  return wanted
    .map((kind) => {
      const rows = resources.filter((resource) => resource.kind === kind)
      // The columns of a kind are only asked about that kind.
      const columns = (columnsOf[kind] as readonly Column<AnyResource>[]).filter(
        ({ wide }) => isWide || wide !== true,
      )
      return rows.length === 0
        ? ''
        : tableText([
            columns.map(({ title }) => title),
            ...rows.map((row) => columns.map(({ cell }) => cell(row, view, nowMs))),
          ])
    })
    .filter((table) => table !== '')
    .join('\n')
}

function listText(
  resources: readonly AnyResource[],
  view: ResourceView,
  format: 'json' | 'yaml',
): string {
  const items = resources.map(({ kind, metadata, spec }) => {
    const status = view.statusOf(kind, keyOf(metadata))
    const { creationTimeMs, namespace, labels, annotations, ...rest } = metadata
    return {
      apiVersion,
      kind,
      metadata: {
        ...rest,
        ...(namespace === '' ? {} : { namespace }),
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
        creationTimestamp: new Date(creationTimeMs).toISOString(),
      },
      spec,
      ...(status === undefined ? {} : { status }),
    }
  })
  const list = { apiVersion: 'v1', kind: 'List', items }
  return format === 'json' ? `${JSON.stringify(list, undefined, 2)}\n` : stringify(list)
}
