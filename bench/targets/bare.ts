import { join } from 'node:path'
import process from 'node:process'
import { Child } from '../process.ts'
import { upstreamModel } from '../upstream.ts'
import type { Target } from './target.ts'

export async function startBareRelay(
  upstreamUrl: string,
  { nodeFlags = [] }: { readonly nodeFlags?: readonly string[] } = {},
): Promise<Target> {
  const script = join(import.meta.dirname, '../bare-relay.ts')
  const args = [...nodeFlags, script, '--upstream', upstreamUrl]
  const child = new Child('the bare relay', 'Target', process.execPath, args)
  const { port } = JSON.parse(await child.firstLine(10_000)) as { port: number }
  return {
    name: 'bare',
    url: `http://127.0.0.1:${port}`,
    headers: {},
    model: upstreamModel,
    pid: child.pid,
    stop: () => child.stop(),
  }
}
