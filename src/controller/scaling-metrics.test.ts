import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { addScalingMetrics } from './scaling-metrics.ts'

test('the guide names these metrics, all of them and no others', () => {
  const registry = new Registry()
  addScalingMetrics(registry, () => [])
  const guide = readFileSync(new URL('../../docs/guides/scaling.md', import.meta.url), 'utf8')
  const named = new Set(Array.from(guide.matchAll(/loraplex_scaling_[a-z_]+/g), ([name]) => name))
  expect([...named].toSorted()).toEqual(
    registry
      .getMetricsAsArray()
      .map(({ name }) => name)
      .toSorted(),
  )
})
