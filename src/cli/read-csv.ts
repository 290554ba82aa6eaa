/** Rows of CSV by the names in its first line; RFC 4180's quotes. A field that is empty is absent. */
export function readCsv(text: string): readonly Readonly<Record<string, string>>[] {
  const [head = [], ...rows] = rowsOf(text.replace(/^\uFEFF/, ''))
  return rows.map((row) =>
    Object.fromEntries(
      head.flatMap((name, at) => {
        const value = row[at] ?? ''
        return value === '' ? [] : [[name.trim().toLowerCase(), value]]
      }),
    ),
  )
}

function rowsOf(text: string): readonly (readonly string[])[] {
  const rows: string[][] = []
  let row: string[] = []
  // A field, quoted or not, and what ends it.
  for (const [, quoted, plain = '', end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g,
  )) {
    row.push(quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'))
    if (end !== ',') {
      if (row.some((field) => field !== '')) {
        rows.push(row)
      }
      row = []
    }
  }
  return rows
}
