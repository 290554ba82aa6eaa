import { readFile, readdir, realpath, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * A defect of vLLM's CPU kernels (0.32; https://github.com/vllm-project/vllm/pull/48421): a request to the base that
 * shares a batch with an adapter's is computed with the adapter in the last slot, because its index -1 is taken for
 * "the last one". The GPU kernels skip -1. It breaks I1 for calls to the base, and a canary's comparison with it.
 */
const product = 'torch.einsum("bi, boi -> bo", inputs, selected_loras)'
const guarded = `_without_base_rows(${product}, lora_indices_tensor)`
const guard = `

def _without_base_rows(outputs: torch.Tensor, lora_indices: torch.Tensor) -> torch.Tensor:
    return outputs.masked_fill((lora_indices < 0).unsqueeze(-1), 0)
`

export type CpuKernels = 'Sound' | 'Defective' | 'NotFound'

/** Whether this installation's CPU kernels have the defect. `executable` is its `bin/vllm`. */
export async function inspectCpuKernels(executable: string): Promise<CpuKernels> {
  const text = await read(executable)
  if (text === undefined) {
    return 'NotFound'
  }
  return text.includes(product) && !text.includes('masked_fill') ? 'Defective' : 'Sound'
}

/** Mends the kernels of an installation that is ours; one that is sound or unknown stays as it is. */
export async function mendCpuKernels(executable: string): Promise<CpuKernels> {
  const found = await inspectCpuKernels(executable)
  const path = await kernelsFile(executable)
  const text = await read(executable)
  if (found !== 'Defective' || path === undefined || text === undefined) {
    return found
  }
  const mended = text.replaceAll(product, guarded).replace(/^import torch$/m, `$&${guard}`)
  // An engine may be importing it right now.
  await writeFile(`${path}.new`, mended)
  await rename(`${path}.new`, path)
  return 'Sound'
}

async function read(executable: string): Promise<string | undefined> {
  const path = await kernelsFile(executable)
  return path === undefined ? undefined : readFile(path, 'utf8').catch(() => undefined)
}

async function kernelsFile(executable: string): Promise<string | undefined> {
  const lib = join(dirname(await realpath(executable)), '..', 'lib')
  const pythons = await readdir(lib).catch(() => [])
  const python = pythons.find((name) => name.startsWith('python3'))
  return python === undefined
    ? undefined
    : join(lib, python, 'site-packages/vllm/lora/ops/torch_ops/lora_ops.py')
}
