"""A plugin of vLLM that writes down what its engine counted for each request: a JSON line for each that ended.

`core` is what the scheduler generated, `front` what came as far as the API server. Who asked is the `#number#` in the prompt.
"""

import json
import os
import re


def register():
    from tokenizers import Tokenizer
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.engine.output_processor import RequestState

    if hasattr(Scheduler, "_token_tap"):
        return
    Scheduler._token_tap = True
    text_of = Tokenizer.from_file(os.environ["TOKEN_TAP_TOKENIZER"]).decode
    file = os.open(os.environ["TOKEN_TAP_FILE"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def write(where, prompt, output, end):
        found = re.search(r"#(\d+)#", text_of(prompt or [], skip_special_tokens=False))
        line = {
            "where": where,
            "request": int(found.group(1)) if found else -1,
            "input": len(prompt or []),
            "output": output,
            "end": end,
        }
        os.write(file, (json.dumps(line) + "\n").encode())

    free = Scheduler._free_request

    def tapped_free(self, request, *args, **kwargs):
        write("core", request.prompt_token_ids, request.num_output_tokens, request.status.name)
        return free(self, request, *args, **kwargs)

    Scheduler._free_request = tapped_free

    make = RequestState.make_request_output

    def tapped_make(self, new_token_ids, pooling_output, finish_reason, *args, **kwargs):
        if finish_reason is not None and self.detokenizer is not None:
            write("front", self.prompt_token_ids, self.detokenizer.num_output_tokens(), finish_reason.name)
        return make(self, new_token_ids, pooling_output, finish_reason, *args, **kwargs)

    RequestState.make_request_output = tapped_make
