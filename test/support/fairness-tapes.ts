// Tapes on which the rules of fairness are compared, for fleets of any size.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WeightOf } from '../../src/sim/lab/queues/tenant-order.ts'
import type { Tape } from '../../src/sim/lab/tape.ts'
import { abusiveTenants } from '../../src/sim/lab/workloads/abusive.ts'
import { arenaTenants } from '../../src/sim/lab/workloads/arena.ts'
import { parseAzureTrace } from '../../src/sim/lab/workloads/azure.ts'
import { tenantTape } from '../../src/sim/lab/workloads/tenant-tape.ts'

export interface FairnessTape {
  readonly name: string
  readonly tape: Tape
  readonly weightOf: WeightOf
  /** Those that ask for no more than their share. */
  readonly isVictim: (tenant: string) => boolean
  /** So much is asked for that engines with queues of their own take minutes to simulate. */
  readonly isHopeless: boolean
  /** Requests a minute that would be each tenant's, were all equal; what RPM needs to be told. */
  readonly perMinute: number
}

export interface TapeSize {
  readonly replicas: number
  readonly seconds: number
  readonly seed: number
}

const equal: WeightOf = () => 1

/** Requests a second that one engine ends at most, as the bar's FCFS rows show: tokens a second by a request's mean. */
const capacity = { arena: 22, even: 29, weighted: 31.5 } as const

/** How much more than the fleet can serve. */
const overload = 1.75

/** (a) The Arena trace's tenants, at more than the fleet can do. */
export function arenaTape({ replicas, seconds, seed }: TapeSize): FairnessTape {
  const demands = arenaTenants(capacity.arena * overload * replicas)
  return {
    name: `27 tenants of the Arena, ${overload} × what the fleet can do`,
    tape: tenantTape(demands, seconds, seed),
    weightOf: equal,
    isVictim: (tenant) => Number(tenant.slice(1)) > 5,
    isHopeless: false,
    perMinute: Math.round((capacity.arena * replicas * 60) / demands.length),
  }
}

/** (b) W8: one of ten at ten times its share, the others at seven tenths of theirs. */
export function abusiveTape({ replicas, seconds, seed }: TapeSize): FairnessTape {
  const tenants = 10
  const share = (capacity.even * replicas) / tenants
  const demands = abusiveTenants({ tenants, share, part: 0.7, times: 10 })
  return {
    name: 'one of ten tenants at ten times its share (W8)',
    tape: tenantTape(demands, seconds, seed),
    weightOf: equal,
    isVictim: (tenant) => tenant !== 'abusive',
    isHopeless: false,
    perMinute: Math.round(share * 60),
  }
}

/** (d) Three tenants that each want four fifths of the fleet, with weights 1, 2 and 4. */
export function weightedTape({ replicas, seconds, seed }: TapeSize): FairnessTape {
  const demands = [1, 2, 4].map((weight) => ({
    tenant: `weight-${weight}`,
    adapter: `a${weight}`,
    rate: capacity.weighted * replicas * 0.8,
    inputMean: 220,
    outputMean: 195,
  }))
  return {
    name: 'three tenants with weights 1, 2 and 4, each wanting four fifths',
    tape: tenantTape(demands, seconds, seed),
    weightOf: (tenant) => Number(tenant.slice('weight-'.length)),
    isVictim: () => false,
    isHopeless: true,
    perMinute: Math.round((capacity.weighted * replicas * 60) / 3),
  }
}

/**
 * (c) W2: an hour of chat beside an hour of code completion in bursts, in less time, so that the fleet is busy.
 * @param folder with the two files of github.com/AzurePublicDataset, CC-BY-4.0; undefined where they are not there
 */
export function azureTape(folder: string, { replicas }: TapeSize): FairnessTape | undefined {
  const [chat, code] = [readOf(folder, 'conv'), readOf(folder, 'code')]
  if (chat === undefined || code === undefined) {
    return undefined
  }
  const faster = 0.65 * replicas
  const tape = [...parseAzureTrace(chat, 'chat'), ...parseAzureTrace(code, 'code')]
    .map((request) => ({ ...request, atMs: request.atMs / faster }))
    .sort((left, right) => left.atMs - right.atMs)
  return {
    name: `Azure's chat and code of 2023, ${faster.toFixed(2)} × as fast (W2)`,
    tape,
    weightOf: equal,
    isVictim: (tenant) => tenant === 'chat',
    isHopeless: false,
    perMinute: Math.round(5.53 * faster * 60),
  }
}

function readOf(folder: string, kind: string): string | undefined {
  try {
    return readFileSync(join(folder, `azure-llm-2023-${kind}.csv`), 'utf8')
  } catch {
    return undefined
  }
}
