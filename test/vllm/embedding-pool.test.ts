import { describeEmbeddingPool } from '../support/embedding-pool.ts'

describeEmbeddingPool('vllm')
