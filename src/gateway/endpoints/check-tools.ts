import { invalid, isObject, type JsonObject } from './invalid.ts'

/**
 * Tools are functions that the caller runs. Any other kind would be run by whoever serves the model (I8).
 * @param isFunction whether a tool has the shape this API gives a function
 * @throws LoraplexError invalid_request
 */
export function checkTools(body: JsonObject, isFunction: (tool: JsonObject) => boolean): void {
  const tools = body['tools']
  if (tools === undefined || tools === null) {
    return
  }
  if (!Array.isArray(tools)) {
    throw invalid("The field 'tools' must be a list.", 'tools')
  }
  tools.forEach((tool: unknown, place) => {
    if (!isObject(tool) || !isFunction(tool)) {
      throw invalid(
        `tools[${place}] must be a function with a name: no other tools are run here.`,
        `tools[${place}]`,
      )
    }
  })
}
