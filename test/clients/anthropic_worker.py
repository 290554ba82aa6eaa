"""The real anthropic package, told line by line what to do: one JSON object in, one out.

in:  {"do": "message", "client": {...}, "body": {...}}
out: {"answer": {...}} or {"error": {...}}, always with "attempts": [seconds, ...]
"""

import json
import sys
import time

import anthropic


def main():
    for line in sys.stdin:
        order = json.loads(line)
        attempts = []
        hooks = {"request": [lambda request: attempts.append(time.monotonic())]}
        options = order.get("client", {})
        with anthropic.DefaultHttpxClient(event_hooks=hooks) as http:
            client = anthropic.Anthropic(**{"max_retries": 0, **options}, http_client=http)
            try:
                result = {"answer": orders[order["do"]](client, order)}
            except anthropic.AnthropicError as error:
                result = {"error": describe(error)}
        print(json.dumps({**result, "attempts": attempts}), flush=True)


def message(client, order):
    answer = client.messages.create(**order["body"])
    return {"body": answer.model_dump(), "request_id": answer._request_id}


def stream(client, order):
    texts = []
    with client.messages.stream(**order["body"]) as answer:
        for text in answer.text_stream:
            texts.append(text)
        final = answer.get_final_message()
    return {"text": "".join(texts), "body": final.model_dump()}


def count(client, order):
    return client.messages.count_tokens(**order["body"]).model_dump()


def describe(error):
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "message": getattr(error, "message", str(error)),
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
        "body": getattr(error, "body", None),
    }


orders = {"message": message, "stream": stream, "count": count}

main()
