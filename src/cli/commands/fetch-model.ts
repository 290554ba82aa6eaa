import { resolve } from 'node:path'
import { replicaPaths } from '../../api/cluster-names.ts'
import { fetchModel as fetchTo } from '../../artifacts/hub/fetch-model.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { defineCommand } from '../command.ts'
import { stopSignals } from '../stop-signals.ts'

export const fetchModel = defineCommand({
  name: 'fetch-model',
  summary: "Fill a folder with a pool's base model",
  details:
    'The init container of replica pods. Fetches from the Hugging Face hub (HF_ENDPOINT and HF_TOKEN are honoured) or copies from a\n' +
    'claim or folder: config, tokenizer and safetensors, never code or pickles. What is there already is kept.',
  args: [],
  options: {
    uri: {
      type: 'string',
      summary: 'hf://organisation/name@revision, pvc://claim/path or file:///folder',
      required: true,
    },
    to: {
      type: 'string',
      summary: 'Folder that is filled',
      placeholder: 'folder',
      default: replicaPaths.model,
    },
    'claims-folder': {
      type: 'string',
      summary: 'Where claims are mounted for pvc://',
      placeholder: 'folder',
      default: '/loraplex/claims',
    },
  },
  run: async ({ io, options }) => {
    const logger = createLogger({ format: io.logFormat, level: 'info', write: io.err })
    const { HF_ENDPOINT, HF_TOKEN } = io.env
    await fetchTo({
      uri: options.uri,
      to: resolve(io.workingFolder, options.to),
      claimsFolder: options['claims-folder'],
      hub: {
        endpoint: HF_ENDPOINT === undefined || HF_ENDPOINT === '' ? hub : HF_ENDPOINT,
        token: HF_TOKEN === undefined || HF_TOKEN === '' ? undefined : HF_TOKEN.trim(),
      },
      say: (words) => logger.info(words),
      signal: stopSignals().first,
    })
    logger.info({ uri: options.uri, to: options.to }, 'the base model is here')
    return 0
  },
})

const hub = 'https://huggingface.co'
