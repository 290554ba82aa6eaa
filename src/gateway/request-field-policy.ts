/**
 * What becomes of each request field. The lists a request is held to are generated from this policy and from the fields
 * that the engine declares (`npm run generate`); a field the engine has and this policy does not name fails the
 * generation, so that a new vLLM cannot open a door by itself.
 */
export type FieldKind =
  /** Sent to the engine as it is. */
  | 'Forward'
  /** Left out and named in `x-loraplex-ignored-fields`. */
  | 'Drop'
  /** 400: it belongs to the operator (I8). */
  | 'Refuse'
  /** Read and rewritten here. */
  | 'Rewrite'

interface FieldRule {
  readonly kind: FieldKind
  readonly fields: readonly string[]
  readonly why: string
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
      'max_tokens',
      'max_completion_tokens',
      'min_tokens',
      'temperature',
      'top_p',
      'top_k',
      'min_p',
      'n',
      'stop',
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
      'reasoning_effort',
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
    kind: 'Drop',
    fields: [
      'user',
      'safety_identifier',
      'store',
      'metadata',
      'service_tier',
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
    why: 'OpenAI fields without a meaning on this engine',
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
      'return_tokens_as_token_ids',
      'return_token_ids',
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
