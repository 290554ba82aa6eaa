import type { HubFile } from './hub-client.ts'

/** Steps that no file system reads as something else. */
const safePath = /^[A-Za-z0-9_][\w.+-]*(?:\/[A-Za-z0-9_][\w.+-]*){0,4}$/

/** Configs, tokenizers, templates: what an engine reads besides weights. Never code and never a pickle. */
const smallFile = /\.(?:json|txt|model|jinja|tiktoken|spm|vocab)$/

/** Other copies of the same weights, for other programs. */
const otherWeights = /^(?:original|onnx|openvino|coreml|metal|gguf|flax|tf)\//

/** Of a repository, what an engine needs to serve it. */
export function wantedFiles(files: readonly HubFile[]): readonly HubFile[] {
  const safe = files.filter(({ path }) => safePath.test(path) && !otherWeights.test(path))
  const weights = safe.filter(({ path }) => path.endsWith('.safetensors'))
  // Mistral's repositories hold the weights twice: once as vLLM's default loader reads them, once in one piece.
  const sharded = weights.filter(({ path }) => !/(^|\/)consolidated[^/]*$/.test(path))
  return [
    ...safe.filter(({ path }) => smallFile.test(path) && !/(^|\/)consolidated[^/]*$/.test(path)),
    ...(sharded.length > 0 ? sharded : weights),
  ]
}
