import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { PassSchedule } from './pass-schedule.ts'

test('a kick while a pass is under way makes another one after it, and any number of them only one', async () => {
  const ends: (() => void)[] = []
  const schedule = new PassSchedule(
    () => new Promise<void>((resolve) => ends.push(resolve)),
    () => 0,
  )
  schedule.kick()
  schedule.kick()
  await turn()
  expect(ends).toHaveLength(1)
  schedule.kick()
  schedule.kick()
  await turn()
  expect(ends).toHaveLength(1)
  ends[0]?.()
  await turn()
  await turn()
  expect(ends).toHaveLength(2)
  ends[1]?.()
  await turn()
  await turn()
  expect(ends).toHaveLength(2)
  schedule.close()
})
