/**
 * What becomes of each request field. The lists a request is held to are generated from this policy and from the fields
 * that the engine declares for each route (`npm run generate`); a field the engine has and this policy does not name fails
 * the generation, so that a new vLLM cannot open a door by itself.
 */
export type FieldKind =
  /** Sent to the engine as it is. */
  | 'Forward'
  /** Left out and named in `x-loraplex-ignored-fields`. */
  | 'Drop'
  /** 400: it belongs to the operator (I8). */
  | 'Refuse'
  /** 400: it means something kept between requests; on a shared engine that would be everybody's (I7). */
  | 'State'
  /** Read and rewritten here. */
  | 'Rewrite'

/** All of them, in the order in which they are listed. */
export const fieldKinds = [
  'Forward',
  'Rewrite',
  'Drop',
  'State',
  'Refuse',
] as const satisfies readonly FieldKind[]

/** Fields by what becomes of them. */
export type FieldLists = { readonly [kind in FieldKind]?: readonly string[] }

interface FieldRule {
  readonly kind: FieldKind
  readonly fields: readonly string[]
  readonly why: string
  /** Only there, where it goes before a rule for all routes. */
  readonly routes?: readonly string[]
}

export const fieldPolicy: readonly FieldRule[] = [
  {
    kind: 'Rewrite',
    fields: ['model', 'stream', 'stream_options'],
    why: 'the name is resolved per tenant; usage is always asked for',
  },
  {
    kind: 'Forward',
    fields: [
      'messages',
      'prompt',
      'suffix',
      'input',
      'instructions',
      'system',
      'max_tokens',
      'max_completion_tokens',
      'max_output_tokens',
      'max_tool_calls',
      'min_tokens',
      'temperature',
      'top_p',
      'top_k',
      'min_p',
      'n',
      'stop',
      'stop_sequences',
      'seed',
      'frequency_penalty',
      'presence_penalty',
      'repetition_penalty',
      'logit_bias',
      'logprobs',
      'top_logprobs',
      'tools',
      'tool_choice',
      'parallel_tool_calls',
      'response_format',
      'text',
      'output_config',
      'include',
      'reasoning',
      'reasoning_effort',
      'thinking',
      'truncation',
      'echo',
      'stop_token_ids',
      'skip_special_tokens',
      'spaces_between_special_tokens',
      'include_reasoning',
      'structured_outputs',
      'ignore_eos',
      'length_penalty',
      'include_stop_str_in_output',
      'bad_words',
      'repetition_detection',
      'thinking_token_budget',
      'truncation_side',
    ],
    why: 'generation is the caller’s own',
  },
  {
    kind: 'Forward',
    fields: [
      'dimensions',
      'encoding_format',
      'embed_dtype',
      'endianness',
      'use_activation',
      'query',
      'queries',
      'items',
      'data_1',
      'data_2',
      'text_1',
      'text_2',
      'top_n',
      'max_tokens_per_query',
      'max_tokens_per_doc',
      'instruction',
    ],
    why: 'what is compared, and how the answer is written, is the caller’s own',
  },
  {
    kind: 'Forward',
    fields: ['documents', 'truncate_prompt_tokens'],
    routes: ['/v1/rerank', '/v1/score'],
    why: 'here they are the texts themselves, and how much of them counts',
  },
  {
    kind: 'Forward',
    fields: ['truncate_prompt_tokens'],
    routes: ['/v1/embeddings'],
    why: 'how much of a text counts is the caller’s own',
  },
  {
    kind: 'Forward',
    fields: ['add_special_tokens', 'add_generation_prompt', 'return_token_strs'],
    routes: ['/tokenize'],
    why: 'nothing is generated: they only say what is counted',
  },
  {
    kind: 'Drop',
    fields: [
      'user',
      'safety_identifier',
      'store',
      'background',
      'metadata',
      'service_tier',
      'context_management',
      'prompt_cache_key',
      'prompt_cache_retention',
      'verbosity',
      'modalities',
      'audio',
      'prediction',
      'web_search_options',
      'best_of',
      'functions',
      'function_call',
    ],
    why: 'fields of other services without a meaning here; `background: true` is refused',
  },
  {
    kind: 'Drop',
    fields: ['messages'],
    routes: ['/v1/embeddings'],
    why: 'texts to embed stand in `input`',
  },
  {
    kind: 'State',
    fields: ['previous_response_id', 'conversation', 'previous_input_messages', 'container'],
    why: 'nothing is kept between requests',
  },
  {
    kind: 'State',
    fields: ['prompt'],
    routes: ['/v1/responses'],
    why: 'here it names a template that is kept elsewhere',
  },
  {
    kind: 'Refuse',
    fields: [
      'priority',
      'cache_salt',
      'chat_template',
      'chat_template_kwargs',
      'kv_transfer_params',
      'ec_transfer_params',
      'vllm_xargs',
      'mm_processor_kwargs',
      'media_io_kwargs',
      'prompt_embeds',
      'request_id',
      'session_id',
      'prompt_logprobs',
      'use_beam_search',
      'truncate_prompt_tokens',
      'allowed_token_ids',
      'documents',
      'logits_processors',
      'add_generation_prompt',
      'continue_final_message',
      'add_special_tokens',
      'padding',
      'enable_response_messages',
      'mcp_servers',
      'return_tokens_as_token_ids',
      'return_token_ids',
      'return_token_strs',
      'return_prompt_text',
      'stream_interval',
      'watermarking',
      'logprob_token_ids',
      'routed_experts_prompt_start',
      'return_token_offsets',
      'mm_payload',
      'return_mm_kwargs',
      'lora_name',
      'lora_request',
      'data_parallel_rank',
    ],
    why: 'it would reach into the engine or its templates',
  },
]
