/** By day and by night. Colours of M. Okabe and K. Ito, told apart by colour-blind people, too; the dark ones lighter. */
const light = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#b8860b',
  '#4aa3d9',
  '#6b4fa0',
  '#5f6670',
]
const dark = [
  '#4db8ff',
  '#ff9a52',
  '#3ddba6',
  '#f2a9d0',
  '#f0c24b',
  '#9ad8ff',
  '#b79df0',
  '#b5bcc6',
]
const dashes = ['', '7 3', '2 3']

/** The class of the nth series: colours come again dashed. */
export function seriesStyle(at: number): string {
  return `s${at % (light.length * dashes.length)}`
}

/** Styles of the whole report; follows the reader's colour scheme. */
export function reportStyle(): string {
  return [
    ':root{--page:#ffffff;--ink:#1b1f24;--soft:#59636e;--rule:#d9dee3;--stripe:#f3f5f7}',
    ...light.map((colour, at) => `:root{--c${at}:${colour}}`),
    '@media (prefers-color-scheme:dark){',
    ':root{--page:#12161b;--ink:#e8ebef;--soft:#a2abb5;--rule:#2f3740;--stripe:#1a2027}',
    ...dark.map((colour, at) => `:root{--c${at}:${colour}}`),
    '}',
    'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink);font-size:12px}',
    '.head{font-size:20px;font-weight:600}.words,.tick,.axis{fill:var(--soft)}.tick{font-size:11px}',
    '.title{font-size:13px;font-weight:600}.cell{font-variant-numeric:tabular-nums}.column{fill:var(--soft);font-size:11px}',
    '.page{fill:var(--page)}.stripe{fill:var(--stripe)}',
    '.grid{stroke:var(--rule);stroke-width:1;fill:none}',
    '.guide{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3;fill:none}',
    '.line.arrivals{stroke:var(--soft);stroke-dasharray:3 3;stroke-width:1.4}.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}.mark{stroke:none}',
    ...Array.from({ length: light.length * dashes.length }, (_, at) => styleOf(at)),
    '.line.starting,.line.leaving{stroke-width:1.2;stroke-opacity:.75;stroke-dasharray:5 3}.line.leaving{stroke-dasharray:1 3}',
  ].join('')
}

function styleOf(at: number): string {
  const colour = `var(--c${at % light.length})`
  const dash = dashes[Math.floor(at / light.length)] ?? ''
  const dashed = dash === '' ? '' : `.line.s${at}{stroke-dasharray:${dash}}`
  return `.line.s${at}{stroke:${colour}}.mark.s${at}{fill:${colour}}${dashed}`
}
