import type { FastifyInstance } from 'fastify'

export interface Route {
  readonly method: string
  readonly path: string
}

/** Every method and path that a server's router knows, read from the router itself: a new route is in it by itself. */
export function routeTable(server: FastifyInstance): readonly Route[] {
  const stems: string[] = []
  return server
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const found = /^(.*[├└]── )(\S+)(?: \(([A-Z, ]+)\))?/.exec(line)
      if (found === null) {
        return []
      }
      const [, branch = '', stem = '', methods = ''] = found
      stems.length = branch.length / 4 - 1
      // The printed tree leaves out the slash before a wildcard.
      stems.push(stem === '*' ? '/*' : stem)
      return methods
        .split(', ')
        .flatMap((method) => (method === '' ? [] : [{ method, path: stems.join('') }]))
    })
}
