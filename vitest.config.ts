import { defineConfig } from 'vitest/config'

/** Time enough for a busy machine: a condition that comes true ends a poll at once. */
const expect = { poll: { timeout: 15_000 } }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          expect,
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
          // Real sockets, processes and worker threads, on a machine that others use too.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'system',
          expect,
          include: ['test/{contract,standalone,clients,readme}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // On a real API server: scripts/testbed prepares it.
          name: 'integration',
          expect,
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // On a whole node, which `npm run test:cluster` gives it; one for all files.
          name: 'cluster',
          expect,
          include: ['test/cluster/**/*.test.ts'],
          globalSetup: ['test/support/cluster-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          // On such a node with a real vLLM in the pods; `npm run test:vllm`.
          name: 'cluster-vllm',
          expect,
          include: ['test/cluster-vllm/**/*.test.ts'],
          globalSetup: ['test/support/cluster-setup.ts'],
          testTimeout: 400_000,
          hookTimeout: 400_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'vllm',
          expect,
          include: ['test/vllm/**/*.test.ts', 'test/contract/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
