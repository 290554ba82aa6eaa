// Whether the time of a 404 tells another tenant's names from those of nobody: both asked for by turns, in random order, on
// one connection, and compared by rank, which outliers of a busy machine do not move.
//   node bin/run.mjs test/bars/name-timing.ts [--pairs 20000]
import { randomInt } from 'node:crypto'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { Client } from 'undici'
import { anAdapter } from '../support/builders.ts'
import { GatewayBed, keyOfTenant, tenants } from '../support/gateway-bed.ts'

/** Chance passes it once in some 15,000 runs. */
const barZ = 4
const { values } = parseArgs({ options: { pairs: { type: 'string', default: '20000' } } })
const pairs = Number(values.pairs)

/** As many neighbours' names as a busy installation has; the missing ones look like them. */
const neighbours = Array.from({ length: 1000 }, (_, at) => anAdapter(`n${1000 + at}`).in('globex'))
const bed = await GatewayBed.start({ objects: [...tenants, ...neighbours] })
const client = new Client(bed.url)
let isKept = true
try {
  for (const path of ['/v1/chat/completions', '/v1/models/*']) {
    await compare(path)
  }
} finally {
  await client.close()
  await bed.close()
}
process.exitCode = isKept ? 0 : 1

async function compare(path: string): Promise<void> {
  const samples: { readonly isForeign: boolean; readonly us: number }[] = []
  for (let at = 0; at < pairs * 2; at += 1) {
    const isForeign = randomInt(2) === 0
    const name = `globex/n${(isForeign ? 1000 : 5000) + randomInt(1000)}`
    const us = await timeOf(path, name)
    // The first ones warm up.
    if (at >= pairs / 10) {
      samples.push({ isForeign, us })
    }
  }
  const z = rankZ(samples)
  const [foreign, missing] = [true, false].map((which) =>
    median(samples.flatMap(({ isForeign, us }) => (isForeign === which ? [us] : []))),
  )
  isKept &&= Math.abs(z) <= barZ
  console.log(
    `${path}: another's ${foreign?.toFixed(1)} µs, nobody's ${missing?.toFixed(1)} µs (medians of ${samples.length}); z ${z.toFixed(2)} (bar: within ${barZ})`,
  )
}

async function timeOf(path: string, name: string): Promise<number> {
  const isPosted = !path.includes('*')
  const before = performance.now()
  const { statusCode, body } = await client.request({
    path: path.replace('*', encodeURIComponent(name)),
    method: isPosted ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${keyOfTenant('acme')}`,
      'content-type': 'application/json',
    },
    body: isPosted
      ? JSON.stringify({ model: name, messages: [{ role: 'user', content: 'x' }] })
      : null,
  })
  await body.dump()
  const us = (performance.now() - before) * 1000
  if (statusCode !== 404) {
    throw new Error(`${name} answered ${statusCode}`)
  }
  return us
}

/** Mann and Whitney's test: how far the ranks of one kind are from chance, in standard deviations. */
function rankZ(samples: readonly { readonly isForeign: boolean; readonly us: number }[]): number {
  const sorted = samples.toSorted((left, right) => left.us - right.us)
  let ranks = 0
  let foreign = 0
  for (const [at, { isForeign }] of sorted.entries()) {
    ranks += isForeign ? at + 1 : 0
    foreign += isForeign ? 1 : 0
  }
  const missing = sorted.length - foreign
  const u = ranks - (foreign * (foreign + 1)) / 2
  const spread = Math.sqrt((foreign * missing * (sorted.length + 1)) / 12)
  return (u - (foreign * missing) / 2) / spread
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0
}
