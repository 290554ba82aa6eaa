/** Variables of vLLM that open routes or loosen names: nobody sets them on an engine of ours. */
export const reservedEngineVariables: readonly string[] = [
  'VLLM_SERVER_DEV_MODE',
  'VLLM_SKIP_MODEL_NAME_VALIDATION',
  'VLLM_LORA_RESOLVER_CACHE_DIR',
  'VLLM_LORA_RESOLVER_HF_REPO_LIST',
  'VLLM_ALLOW_INSECURE_SERIALIZATION',
  'VLLM_DEBUG_LOG_API_SERVER_RESPONSE',
  'VLLM_KEEP_ALIVE_ON_ENGINE_DEATH',
  'VLLM_USE_RUST_FRONTEND',
]
