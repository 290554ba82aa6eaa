/** The call an answer consists of where a request asks for a tool. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** vLLM calls a named tool's end `stop`, one that the model had to choose `tool_calls`. */
  readonly isNamed: boolean
}

/** Nobody thinks here: every tool is called without arguments. */
export const toolArguments = '{}'
