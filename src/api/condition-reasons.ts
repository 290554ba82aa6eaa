import type { Kind } from './kinds.ts'

interface ConditionWords {
  /** What it says, and which way is good. */
  readonly meaning: string
  /** Reasons it may carry, with what they mean. `Fetched` and `Compatible` also carry those of the adapter's own faults. */
  readonly reasons: Readonly<Record<string, string>>
}

/** Every condition of every kind, in the order in which `Ready` is folded from the others. A test holds it complete. */
export const conditionReasons: Readonly<Record<Kind, Readonly<Record<string, ConditionWords>>>> = {
  ModelPool: {
    Ready: {
      meaning: 'True: every wanted replica answers.',
      reasons: {
        Ready: 'All replicas are ready.',
        SomeReplicasReady: 'Some are; callers are served by those.',
        EngineStarting: 'None is yet; the message says what it is doing.',
        EngineNotMade: 'No engine could be made from the spec; the message says what to mend.',
        OnDemand: 'No replica is wanted: `replicas: 0`, or nothing is asked of a pool that scales.',
        Paused: '`spec.paused` is true.',
      },
    },
    Reconciling: {
      meaning:
        'There only while it is true, in a cluster: what tools that wait (helm --wait, Flux, Argo CD) go by.',
      reasons: {
        RollingOut: 'As `Progressing`.',
        ScalingUp: 'As `Progressing`.',
        NoCapacityForSurge: 'As `Progressing`.',
        NoCapacity: 'As `Progressing`.',
      },
    },
    Stalled: {
      meaning: 'There only while it is true, which is bad: it is not going to end well by itself.',
      reasons: {
        ProgressDeadlineExceeded: 'As `Progressing`; the message says what stands in the way.',
        EngineNotMade:
          'As `Ready`: no pods can be made of this spec, such as of `engine.endpoints`.',
      },
    },
    Progressing: {
      meaning:
        'True: replicas are being made, replaced or drained. False: nothing moves, for better or worse. In a cluster only.',
      reasons: {
        Stable: 'Every replica is as the spec says.',
        RollingOut: 'Replicas are replaced by ones of the present spec.',
        ScalingUp: 'More replicas were asked for and are not there yet.',
        ScalingDown: 'A replica is drained; it goes when its last stream has ended.',
        NoCapacityForSurge:
          'No node has room for the replica that `rollout.maxSurge` asks for; the old ones go on serving.',
        NoCapacity: 'No node has room for a replica.',
        ProgressDeadlineExceeded:
          'A replica did not become ready within `engine.startupTimeoutSeconds`.',
        Paused: '`spec.paused` is true.',
      },
    },
    TemplateFieldsIgnored: {
      meaning:
        'There only while it is true: `podTemplate` says something that is not its to say. The pods are made without that. In a cluster only.',
      reasons: {
        OwnedByPool:
          'The message names the fields: take them out, and use `engine`, `lora` or `maxStreamSeconds` for what they were to do.',
      },
    },
    DemandUnknown: {
      meaning:
        'There only while it is true, which is bad: what is asked of a pool with `scaling` has not been known for a minute, so no replica goes, however idle it is. In a cluster only.',
      reasons: {
        NoGateway: 'No gateway is there, or the controller reaches none on port 8090.',
        GatewaySilent: 'The message names gateways that are ready and say nothing.',
      },
    },
    SignalInert: {
      meaning:
        'There only while it is true, which is bad: gateways and engines have contradicted each other for a minute, so what scaling and placement go by cannot be believed.',
      reasons: {
        EngineLoadInert:
          'Requests go to the engines, and the load that agents read there is not moved by it: metrics of another version, or an agent cut off.',
        DemandInert:
          'Engines have requests, and gateways say that they sent none: somebody calls the engines beside them.',
      },
    },
    TwoScalers: {
      meaning:
        'There only while it is true, which is bad: somebody else writes how many replicas there are. In a cluster only.',
      reasons: {
        ForeignWriter: 'The message names who; take `scaling` out, or the other scaler.',
      },
    },
  },
  LoraAdapter: {
    Fetched: {
      meaning: 'True: the content is in the store, by digest.',
      reasons: {
        Fetched: 'It is there; the message is the digest.',
        Fetching:
          'It is being fetched and checked. The message is the digest where that is known from before.',
        FetchFailed: 'The source could not be read; it is tried again.',
        SourceNotAllowed: 'The pool does not take adapters from there (`lora.sources`).',
      },
    },
    Compatible: {
      meaning:
        'True: the preflight found nothing wrong. Unknown is not a fault: the canary decides.',
      reasons: {
        Compatible: 'It fits the base.',
        NotChecked: 'There is no content to check yet.',
        UnknownArchitecture: "The base's architecture is not known to the preflight.",
        NonFiniteAnswer: 'The canary got NaN or infinity; the revision is refused for good.',
        NoEffect: 'It answers exactly as the base: all zero, or modules of another model class.',
        ConfigIncomplete: 'vLLM: adapter_config.json lacks a field.',
        ConfigUnreadable: 'vLLM: adapter_config.json is no JSON.',
        WeightsUnreadable: 'vLLM: the weights are no safetensors.',
        WrongModules: 'vLLM: modules that it does not know.',
        WrongShapes: 'vLLM: shapes that do not fit.',
        UnsupportedFeature: 'vLLM: a kind of adapter that it does not serve.',
        EngineRefused: 'vLLM: refused in words that are not known here; the message has them.',
      },
    },
    Resident: {
      meaning: 'True: as many copies as `residency.minCopies` asks for are routable.',
      reasons: {
        Routable: 'They are.',
        OnDemand: 'It is loaded on the first call.',
        Loading: 'Replicas are loading it.',
        Waiting: 'There is no revision to load yet.',
        NotOnDisk: 'The replica does not have the files yet.',
        HostCacheFull: "The replica's host cache is full (`lora.maxCpuLoras`).",
        NoSlot: 'No slot became free for the canary.',
        CanaryFailed: 'The canary could not be judged; it is tried again.',
        LoadUnclear: 'The engine says that it is loaded, but does not list it.',
        LoadTimeout: 'The engine did not answer the load in time.',
        FilesMissing: 'vLLM: it does not see the files; with `endpoints`, check `adapterRoot`.',
        LoraDisabled: 'vLLM: it runs without `--enable-lora`.',
        RuntimeLoraDisabled: 'vLLM: it runs without VLLM_ALLOW_RUNTIME_LORA_UPDATING.',
        WrongKey: 'vLLM: it does not take the key; with `endpoints`, check `secretRef`.',
        EngineDraining: 'vLLM: it is shutting down.',
        OutOfResources: 'vLLM: memory, disk or file handles ran out.',
        EngineError: 'vLLM: failed in words that are not known here; it is tried again.',
        EngineGone: 'The engine went away while it was asked.',
        AgentError: 'A bug in Loraplex; the log has it.',
      },
    },
    Ready: {
      meaning:
        'True: callers get the revision of the present spec. Carries the reason of the first other condition that is False.',
      reasons: {
        Ready: 'The revision answers.',
        OnDemand: 'It is loaded on the first call.',
        Loading:
          'The new revision is being proved; the one before answers meanwhile, if there is one.',
        Fetching: 'The content is being fetched and checked.',
        WaitingForGateways: 'Not every gateway has said that it can route to the revision.',
        Suspended: '`spec.suspend` is true.',
        PoolNotFound: 'There is no such pool.',
        NotAllowedByPool: "The pool's `allowedNamespaces` leave this namespace out.",
        NameConflict: 'An older adapter has the same model name in the same place.',
        QuotaExceeded:
          'Older adapters use up the `adapterQuota` of its tenant; nothing of it is fetched or loaded, and callers get 424. The message says which bound.',
      },
    },
  },
  ModelTenant: {
    Ready: {
      meaning: 'True: its keys are taken.',
      reasons: { Ready: 'They are.', Suspended: '`spec.suspend` is true.' },
    },
    OwnershipConflict: {
      meaning:
        'There only while it is true, which is bad: an older tenant claims the same objects.',
      reasons: { OlderTenantHoldsIt: 'The message names the objects and who holds them.' },
    },
    PriceMissing: {
      meaning:
        'There only while it is true, which is bad: it has a budget in money and may call pools without prices.',
      reasons: {
        PoolWithoutPrices:
          'The message names the pools: write their `pricing`. Calls there are refused with `price_missing`, or not counted where the budget only warns.',
      },
    },
  },
  TenantKey: {
    Ready: {
      meaning: 'True: the key is taken.',
      reasons: {
        Ready: 'It is.',
        Revoked: '`spec.revoked` is true.',
        Expired: '`spec.expirationTime` has passed.',
        NoTenant: 'No tenant claims the namespace, or not the one of `tenantRef`.',
      },
    },
  },
}
