import type { TenantPool } from './tenant-pool.ts'

/**
 * Pools of ServeGen's published clients (Apache-2.0; 14 days, the last one day). In a window of ten minutes they have:
 *
 * | pool | active | effective clients 1/Σp² | share of the first, p50 / p90 | CV of gaps weighted by rate | first ten that change |
 * | --- | --- | --- | --- | --- | --- |
 * | large | 49 of 162 | 9.2 | 24 / 55 % | 3.5 | 11 % |
 * | mid | 55 of 109 | 3.4 | 53 / 74 % | 12.0 | 10 % |
 * | small | 20 of 43 | 5.3 | 35 / 51 % | 3.6 | 4 % |
 * | r1 | 22 of 73 | 3.8 | 42 / 67 % | 2.3 | 16 % |
 *
 * slope, firstFactor, drift and memory were chosen so that windows drawn from them have these figures.
 */
export const tenantPools: readonly TenantPool[] = [
  {
    name: 'large',
    clients: 162,
    active: 49,
    slope: 0.9,
    firstFactor: 1,
    drift: 0.7,
    memory: 0.92,
    bigCv: 4,
    medianCv: 1.2,
  },
  {
    name: 'mid',
    clients: 109,
    active: 55,
    slope: 1.12,
    firstFactor: 4,
    drift: 0.7,
    memory: 0.92,
    bigCv: 14,
    medianCv: 1.3,
  },
  {
    name: 'small',
    clients: 43,
    active: 20,
    slope: 1,
    firstFactor: 1.5,
    drift: 0.4,
    memory: 0.97,
    bigCv: 3.9,
    medianCv: 1.2,
  },
  {
    name: 'r1',
    clients: 73,
    active: 22,
    slope: 0.91,
    firstFactor: 2.3,
    drift: 0.75,
    memory: 0.85,
    bigCv: 2.4,
    medianCv: 1,
  },
]
