/** What is wrong with a text as XML, in words; undefined when tags nest, names are plain and text is escaped. */
export function xmlFault(text: string): string | undefined {
  const open: string[] = []
  let at = 0
  for (const match of text.matchAll(/<(\/?)([A-Za-z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g)) {
    const between = faultOfText(text.slice(at, match.index))
    if (between !== undefined) {
      return between
    }
    at = match.index + match[0].length
    const [, end, name = '', attributes = '', isEmpty] = match
    const fault = faultOfText(attributes.replaceAll('"', '')) ?? duplicateIn(attributes)
    if (fault !== undefined) {
      return `${fault} in <${name}>`
    }
    if (end === '/') {
      const opened = open.pop()
      if (opened !== name) {
        return `</${name}> ends <${opened}>`
      }
    } else if (isEmpty !== '/') {
      open.push(name)
    }
  }
  return (
    faultOfText(text.slice(at)) ?? (open.length === 0 ? undefined : `<${open.at(-1)}> has no end`)
  )
}

function faultOfText(text: string): string | undefined {
  const bad = /[<>]|&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.exec(text)
  return bad === null ? undefined : JSON.stringify(text.slice(bad.index, bad.index + 30))
}

function duplicateIn(attributes: string): string | undefined {
  const names = [...attributes.matchAll(/([\w:-]+)="/g)].map(([, name]) => name)
  return names.find((name, at) => names.indexOf(name) !== at)
}
