import { z } from 'zod'
import { listBy, wholeList } from './list-types.ts'
import { podTemplate, resourceRequirements, volumeSource } from './core-types.ts'
import { labelSelector, modelName, objectName, secretName, type Resource } from './metadata.ts'
import { pricing } from './pricing.ts'
import { modelUriPattern, modelUriWords, uriPrefixPattern, uriPrefixWords } from './uris.ts'

/** vLLM's own list; memory is paid at the maximum, whatever an adapter's rank. */
export const engineRanks = [1, 8, 16, 32, 64, 128, 256, 320, 512] as const

const model = z.strictObject({
  uri: z.string().max(2048).regex(modelUriPattern, modelUriWords).meta({
    description:
      'Where the base checkpoint is (config.json, tokenizer, safetensors): file:, pvc://claim/path or hf://organisation/name@revision. Only the revision may change later: another base is another pool.',
  }),
  secretRef: z
    .strictObject({ name: secretName.meta({ description: "The Secret's name." }) })
    .optional()
    .meta({
      description: 'Secret in the pool’s namespace with what the source asks for: `token` for hf.',
    }),
  servedName: modelName
    .optional()
    .meta({ description: 'A name of the base that adapters may give as theirs.' }),
  baseModelNames: z
    .array(z.string().min(1).max(256))
    .max(32)
    .default([])
    .meta({
      description: 'Other names adapters may give as their base, such as mirrors.',
      ...wholeList,
    }),
  task: z.enum(['Generate', 'Embed']).default('Generate').meta({
    description: 'What the base does: write text, or embed it (and compare texts by that).',
  }),
  inputs: z
    .array(z.enum(['Text', 'Image']))
    .min(1)
    .max(2)
    .default(['Text'])
    .meta({
      description:
        'What callers may send. With Image, images inside the request, never by URL; needs maxModelLen.',
      ...wholeList,
    }),
  maxModelLen: z
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .meta({ description: 'Tokens; default: the model’s own.' }),
  quantization: z.string().max(64).optional().meta({ description: "vLLM's own word." }),
  cache: volumeSource.optional(),
})

const parallelism = z.strictObject({
  tensor: z.int().min(1).max(64).optional().meta({
    description: 'GPUs that share each layer. Default: the GPUs of `resources`, else 1.',
  }),
  pipeline: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .meta({ description: 'Groups of GPUs that share the layers.' }),
  data: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .meta({ description: 'Copies of the model inside one engine.' }),
})

const endpoint = z.strictObject({
  name: objectName.meta({ description: "The replica's name." }),
  url: z
    .string()
    .max(512)
    .regex(/^https?:\/\/[^/?#]+\/?$/, 'http://host:port, without a path')
    .meta({ description: 'http://host:port, without a path.' }),
  adapterRoot: z.string().max(1024).regex(/^\//, 'an absolute path').optional().meta({
    description:
      'Where that server sees the folder that holds our content store; default: the same path as here.',
  }),
  secretRef: z
    .strictObject({ name: secretName.meta({ description: "The Secret's name." }) })
    .optional()
    .meta({ description: 'Secret in the pool’s namespace; its `api-key` is sent to the server.' }),
})

const engine = z.strictObject({
  image: z
    .string()
    .max(512)
    .regex(/^[^\s]+$/, 'an image such as vllm/vllm-openai:v0.32.0')
    .optional()
    .meta({ description: 'The vLLM image; needed in a cluster unless there are `endpoints`.' }),
  version: z
    .string()
    .max(32)
    .regex(/^\d+\.\d+(\.\d+)?$/, 'such as 0.32')
    .default('0.32')
    .meta({ description: 'Which vLLM the flags are written for.' }),
  args: z
    .array(z.string().max(1024))
    .max(64)
    .default([])
    .meta({
      description: 'Further vLLM flags; those that other fields own are refused.',
      ...wholeList,
    }),
  parallelism: parallelism.prefault({}),
  startupTimeoutSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(3600)
    .meta({ description: 'How long an engine may take to answer before it is started again.' }),
  endpoints: z
    .array(endpoint)
    .max(64)
    .default([])
    .meta({
      description:
        'vLLM servers that already run, one engine each: nothing is started, adapters are managed on them.',
      ...listBy('name'),
    }),
})

const source = z.strictObject({
  uriPrefix: z.string().max(2048).regex(uriPrefixPattern, uriPrefixWords).meta({
    description:
      "A folder, ending in /: file:, pvc:// or https://; `${namespace}` stands for the adapter's. A relative file: starts at the pool's file.",
  }),
  credentials: z.enum(['Adapter', 'Pool', 'Anonymous']).default('Adapter').meta({
    description:
      'On whose Secret: the adapter’s own if it names one, the pool’s (`model.secretRef`), or none. Files need none.',
  }),
})

const lora = z.strictObject({
  maxLoras: z
    .int()
    .min(1)
    .max(512)
    .default(8)
    .meta({ description: 'Slots: distinct adapters that run at once on a replica.' }),
  maxCpuLoras: z
    .int()
    .min(1)
    .max(16_384)
    .default(64)
    .meta({ description: 'Host cache; covers everything registered plus ghosts.' }),
  maxRank: z
    .union(engineRanks.map((rank) => z.literal(rank)))
    .default(16)
    .meta({
      description:
        'Adapters of a higher rank are refused; memory is paid at this rank for every slot.',
    }),
  dtype: z
    .enum(['Auto', 'Float16', 'BFloat16'])
    .default('Auto')
    .meta({ description: "What LoRA weights are cast to; Auto is the base's own." }),
  baseModelCheck: z.enum(['Warn', 'Strict']).default('Warn').meta({
    description: 'What becomes of an adapter that names another base: a notice, or a refusal.',
  }),
  sources: z
    .array(source)
    .max(64)
    .optional()
    .meta({
      description:
        'Where adapters may come from. Default: https with the adapter’s own Secret or none; file and pvc only from the pool’s own namespace.',
      ...listBy('uriPrefix'),
    }),
})

const allowedNamespaces = z.strictObject({
  from: z.enum(['Same', 'All', 'Selector']).default('Same').meta({
    description:
      "Which namespaces may attach adapters: the pool's own, all, or those with the selector's labels.",
  }),
  selector: labelSelector.optional(),
})

const seconds = (preset: number) => z.int().min(0).max(604_800).default(preset)

const scaling = z
  .strictObject({
    minReplicas: z
      .int()
      .min(0)
      .max(64)
      .default(1)
      .meta({ description: 'Never fewer; 0 lets an idle pool go to zero.' }),
    maxReplicas: z.int().min(1).max(64).meta({ description: 'Never more.' }),
    targetQueueDepth: z.int().min(1).max(10_000).default(4).meta({
      description:
        'Requests that may wait for each ready replica, wherever they wait, but not for an adapter.',
    }),
    targetTpotMilliseconds: z.int().min(1).max(60_000).optional().meta({
      description:
        'What callers are promised between two tokens: replicas are then enough for the tokens that arrive, by what engines were seen to take. Replicas follow the queue where this is absent, while too little was seen, and where one token alone takes longer.',
    }),
    scaleToZeroAfterSeconds: seconds(900).meta({
      description: 'How long nothing was asked before the last replica goes.',
    }),
    scaleDownStabilizationSeconds: seconds(300).meta({
      description:
        'How long fewer replicas have to be enough before one goes, at most. Once a replica was seen to start, as long as that took, and at least 60; where replicas follow tokens, 60 for one that no growth of the last ten minutes would need again before it could be back.',
    }),
    drainTimeoutSeconds: seconds(3600).meta({
      description:
        'How long a replica may take to finish its streams; never less than maxStreamSeconds in effect.',
    }),
  })
  .refine((value) => value.maxReplicas >= value.minReplicas, {
    path: ['maxReplicas'],
    message: 'must be at least scaling.minReplicas',
  })

const rollout = z
  .strictObject({
    maxSurge: z
      .int()
      .min(0)
      .max(64)
      .default(1)
      .meta({ description: 'Replicas above the wanted number while others are replaced.' }),
    maxUnavailable: z
      .int()
      .min(0)
      .max(64)
      .default(0)
      .meta({ description: 'Replicas below the wanted number while others are replaced.' }),
  })
  .refine((value) => value.maxSurge + value.maxUnavailable > 0, {
    path: ['maxSurge'],
    message: 'and maxUnavailable must not both be 0: nothing could be replaced',
  })

export const modelPoolSpec = z
  .strictObject({
    model,
    engine: engine.prefault({}),
    lora: lora.prefault({}),
    resources: resourceRequirements.optional(),
    podTemplate: podTemplate.optional(),
    replicas: z.int().min(0).max(64).default(1).meta({
      description: 'Engines, each with the whole base; counts where `scaling` is absent.',
    }),
    scaling: scaling
      .optional()
      .meta({ description: 'Replicas follow what is asked. Absent: `replicas` says how many.' }),
    rollout: rollout.prefault({}),
    maxStreamSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(3600)
      .meta({ description: 'When a stream ends at the latest; no drain ends one sooner.' }),
    allowedNamespaces: allowedNamespaces.prefault({}),
    pricing: pricing
      .optional()
      .meta({ description: 'What its tokens cost. Absent: they are counted, and free.' }),
    paused: z
      .boolean()
      .default(false)
      .meta({ description: 'Engines are left as they are, whatever the spec says.' }),
  })
  .refine((spec) => spec.lora.maxCpuLoras >= spec.lora.maxLoras, {
    path: ['lora', 'maxCpuLoras'],
    message: 'must be at least lora.maxLoras',
  })
  .refine(
    (spec) =>
      spec.allowedNamespaces.from !== 'Selector' || spec.allowedNamespaces.selector !== undefined,
    {
      path: ['allowedNamespaces', 'selector'],
      message: 'is needed with from: Selector',
    },
  )

export type ModelPoolSpec = z.infer<typeof modelPoolSpec>
export type ModelPool = Resource<'ModelPool', ModelPoolSpec>

/** Fields of the cluster that mean nothing on one machine: accepted there with a notice. */
export const modelPoolFieldsOfTheCluster = [
  'podTemplate',
  'resources',
  'rollout',
  'scaling',
  'model.cache',
  'model.secretRef',
  'engine.image',
] as const
