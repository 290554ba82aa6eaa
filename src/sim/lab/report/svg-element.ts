/** Attributes; undefined ones are left out. */
export type SvgAttributes = Readonly<Record<string, string | number | undefined>>

/** One element with children that are SVG already; text has to go through `svgText`. */
export function svgElement(name: string, attributes: SvgAttributes, children = ''): string {
  const words = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${escaped(shortened(value))}"`],
  )
  return `<${name}${words.join('')}${children === '' ? '/>' : `>${children}</${name}>`}`
}

export function svgText(text: string, attributes: SvgAttributes): string {
  return svgElement('text', attributes, escaped(text))
}

/** Control characters have no place in XML; `<` and its like are escaped. */
export function escaped(text: string): string {
  return text
    .replaceAll(/\p{Cc}/gu, '�')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

function shortened(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : value
}
