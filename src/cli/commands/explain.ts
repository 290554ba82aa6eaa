import { errorTable } from '../../errors.ts'
import { defineCommand } from '../command.ts'
import { explain as explainName } from '../explain.ts'
import { placeOptions } from '../place.ts'
import { viewResources } from '../view-resources.ts'

export const explain = defineCommand({
  name: 'explain',
  summary: 'Say why a model name answers as it does for a tenant',
  details:
    'Callers get the same 404 whether a name is free or somebody else’s; this tells the operator which.\n' +
    'Example: loraplex explain acme tickets',
  args: [
    { name: 'tenant', summary: 'name of the ModelTenant' },
    { name: 'model', summary: 'what the caller writes in model' },
  ],
  options: placeOptions,
  run: async ({ io, args: [tenant = '', model = ''], options }) => {
    const view = await viewResources(io, options)
    const { code, lines } = explainName(
      { snapshot: view.snapshot, statusOf: (key) => view.statusOf('LoraAdapter', key) },
      tenant,
      model,
      Date.now(),
    )
    for (const line of lines) {
      io.out(`${line}\n`)
    }
    const answer =
      code === undefined
        ? 'an answer'
        : `${errorTable[code].status} ${code}: ${errorTable[code].meaning}`
    io.out(`A caller gets ${answer}\n`)
    return 0
  },
})
