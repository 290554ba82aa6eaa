/**
 * Weights w ≥ 0 with least Σ (rows·w − targets)²: normal equations; a weight that comes out below zero is left out, and
 * the rest fitted again.
 */
export function leastSquares(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
): readonly number[] {
  const width = rows[0]?.length ?? 0
  let used = Array.from({ length: width }, (_, column) => column)
  for (;;) {
    const solved = solve(...normalEquations(rows, targets, used))
    const least = solved.indexOf(Math.min(...solved))
    if (solved.length === 0 || (solved[least] ?? 0) >= 0) {
      const weights = Array.from({ length: width }, () => 0)
      used.forEach((column, at) => (weights[column] = solved[at] ?? 0))
      return weights
    }
    used = used.filter((_, at) => at !== least)
  }
}

function normalEquations(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  used: readonly number[],
): [number[][], number[]] {
  const sum = (value: (row: readonly number[], at: number) => number): number =>
    rows.reduce((total, row, at) => total + value(row, at), 0)
  const matrix = used.map((i) => used.map((j) => sum((row) => (row[i] ?? 0) * (row[j] ?? 0))))
  const right = used.map((i) => sum((row, at) => (row[i] ?? 0) * (targets[at] ?? 0)))
  return [matrix, right]
}

/** Gauss–Jordan elimination with pivots. A column without one (a feature that never varies) gets 0. */
function solve(matrix: number[][], right: number[]): number[] {
  const size = right.length
  const rows = matrix.map((row, at) => [...row, right[at] ?? 0])
  for (let column = 0; column < size; column += 1) {
    const pivot = pivotOf(rows, column)
    const row = rows[pivot] ?? []
    const scale = row[column] ?? 0
    if (Math.abs(scale) < 1e-12) {
      continue
    }
    rows[pivot] = rows[column] ?? []
    rows[column] = row.map((value) => value / scale)
    for (let other = 0; other < size; other += 1) {
      const factor = rows[other]?.[column] ?? 0
      if (other !== column && factor !== 0) {
        rows[other] = (rows[other] ?? []).map(
          (value, at) => value - factor * (rows[column]?.[at] ?? 0),
        )
      }
    }
  }
  return rows.map((row, at) => (Math.abs(row[at] ?? 0) < 1e-12 ? 0 : (row[size] ?? 0)))
}

function pivotOf(rows: readonly number[][], column: number): number {
  let pivot = column
  for (let at = column; at < rows.length; at += 1) {
    if (Math.abs(rows[at]?.[column] ?? 0) > Math.abs(rows[pivot]?.[column] ?? 0)) {
      pivot = at
    }
  }
  return pivot
}
