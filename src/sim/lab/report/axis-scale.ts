/** From values to a length on the page, with round values to mark. */
export interface AxisScale {
  readonly ticks: readonly number[]
  /** 0–1 along the axis; beyond it for values beyond it. */
  at(value: number): number
}

const mostSteps = 7

/** From 0 to a round value not below `most`. */
export function linearScale(most: number): AxisScale {
  const step = roundStep(Math.max(most, 1e-9) / mostSteps)
  const count = Math.max(1, Math.ceil(most / step - 1e-9))
  const top = step * count
  return {
    ticks: Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(12))),
    at: (value) => value / top,
  }
}

/** From 0 to exactly `most`, marked at round values. */
export function tightScale(most: number): AxisScale {
  const { ticks } = linearScale(most)
  return {
    ticks: ticks.filter((tick) => tick <= most * 1.001),
    at: (value) => (most > 0 ? value / most : 0),
  }
}

/** Whole powers of ten around the values. What is not above 0 lies at the foot. */
export function logScale(least: number, most: number): AxisScale {
  const low = Math.floor(Math.log10(Math.max(least, 1e-9)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(most, 1e-9)) - 1e-9))
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at)),
    at: (value) => (value > 0 ? Math.max(0, (Math.log10(value) - low) / (high - low)) : 0),
  }
}

/** 1, 2 or 5 times a power of ten. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const times = [1, 2, 5].find((each) => each * power >= value * 0.999) ?? 10
  return times * power
}
