// One suite, every implementation. vLLM takes minutes and a one-time install: `npm run test:vllm`, which sets the variable.
import { describeEngineContract } from './engine-contract.ts'
import { simulator, vllm } from './implementations.ts'

const withVllm = (process.env['LORAPLEX_TEST_VLLM'] ?? '') !== ''

for (const implementation of withVllm ? [vllm] : [simulator]) {
  describeEngineContract(implementation)
}
