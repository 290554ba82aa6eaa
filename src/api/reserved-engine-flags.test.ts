import { describe, expect, test } from 'vitest'
import { findReservedFlags } from './reserved-engine-flags.ts'

describe('flags that are ours are found however they are written', () => {
  test.each([
    '--max-loras',
    '--max_loras',
    '--max-loras=4',
    '--max-lora-r',
    '--no-enable-lora',
    '--no_enable_lora',
    '--enable-lor',
    '--host',
    '--hos=0.0.0.0',
    '--ssl-keyfile',
    '--ssl_ciphers=x',
    '--trust-request-chat-template',
    '--data-parallel-rpc-port',
    '--enable-log-requests',
    '--config=flags.yaml',
    '--fingerprint-value',
    '-tp',
    '-tp2',
    '-tp=2',
    '-t',
    '-q',
    '-qawq',
    '-dpn',
    '-asc',
  ])('%s', (flag) => {
    expect(findReservedFlags(['--enforce-eager', flag])).toMatchObject([{ index: 1 }])
  })

  test('others pass', () => {
    const args = [
      '--enforce-eager',
      '--gpu-memory-utilization',
      '0.8',
      '--gpu-memory-utilization=0.8',
      '--config-format',
      'hf',
      '--tokenizer-mode',
      'slow',
      '--no-enable-prefix-caching',
      '--enable-chunked-prefill',
      '--max-num-seqs',
      '64',
      '--max-logprobs',
      '-1',
      '--seed=-1',
      '--speculative-config.model',
      'x',
      '--hf-overrides',
      '{"a": "--max-loras"}',
      '-O3',
      '-cc',
      '-ac',
      '-ep',
      '--async-scheduling',
      '--fully-sharded-loras',
      '--enable-logging-iteration-details',
    ]
    expect(findReservedFlags(args)).toEqual([])
  })

  test('the value of a flag is not repeated', () => {
    expect(findReservedFlags(['--api-key=hunter2', '-qhunter2'])).toMatchObject([
      { flag: '--api-key' },
      { flag: '-q' },
    ])
  })
})
