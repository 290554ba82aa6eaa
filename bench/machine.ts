import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import process from 'node:process'
import { canPin } from './process.ts'

export interface MachineFacts {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly pinned: boolean
  /** One-minute load when the run began: what others did at the same time. */
  readonly loadBefore: number
}

export function machineFacts(): MachineFacts {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    node: process.version,
    pinned: canPin,
    loadBefore: loadavg()[0] ?? 0,
  }
}

export function printFacts(facts: MachineFacts): string {
  const pinning = facts.pinned
    ? 'target on core 0, upstream and load generator on core 1'
    : 'nothing pinned (needs taskset and two cores)'
  const others = facts.loadBefore > 0.5 ? ': others are at work here, trust ratios only' : ''
  return `${facts.cpu}, ${facts.cores} cores, ${facts.memoryGb} GiB, Linux ${facts.kernel}, Node ${facts.node}; ${pinning}; load before the run ${facts.loadBefore.toFixed(2)}${others}`
}
