"""The real openai package, told line by line what to do: one JSON object in, one out.

in:  {"do": "chat", "client": {...}, "body": {...}, "leave_after": 3}
out: {"answer": {...}} or {"error": {...}}, always with "attempts": [seconds, ...]
"""

import json
import sys
import time

import openai


def main():
    for line in sys.stdin:
        order = json.loads(line)
        attempts = []
        hooks = {"request": [lambda request: attempts.append(time.monotonic())]}
        options = order.get("client", {})
        with openai.DefaultHttpxClient(event_hooks=hooks) as http:
            client = openai.OpenAI(**{"max_retries": 0, **options}, http_client=http)
            try:
                result = {"answer": orders[order["do"]](client, order)}
            except openai.OpenAIError as error:
                result = {"error": describe(error)}
        print(json.dumps({**result, "attempts": attempts}), flush=True)


def chat(client, order):
    answer = client.chat.completions.create(**order["body"])
    return {"body": answer.model_dump(), "request_id": answer._request_id}


def stream(client, order):
    create = client.completions.create if order.get("legacy") else client.chat.completions.create
    chunks = []
    with create(**order["body"], stream=True) as answer:
        request_id = answer.response.headers.get("x-request-id")
        for chunk in answer:
            chunks.append(chunk.model_dump())
            if len(chunks) == order.get("leave_after"):
                break
            if len(chunks) == order.get("tell_after"):
                # The error comes out of the loop: what came before is told first.
                print(json.dumps({"chunks": len(chunks)}), flush=True)
    return {"chunks": chunks, "request_id": request_id}


def completion(client, order):
    answer = client.completions.create(**order["body"])
    return {"body": answer.model_dump(), "request_id": answer._request_id}


def response(client, order):
    answer = client.responses.create(**order["body"])
    return {
        "body": answer.model_dump(),
        "text": answer.output_text,
        "request_id": answer._request_id,
    }


def response_stream(client, order):
    events = []
    with client.responses.create(**order["body"], stream=True) as answer:
        for event in answer:
            events.append(event.model_dump())
    return {"events": events}


def embeddings(client, order):
    answer = client.embeddings.create(**order["body"])
    return {"body": answer.model_dump()}


def models(client, order):
    return [model.model_dump() for model in client.models.list()]


def model(client, order):
    return client.models.retrieve(order["id"]).model_dump()


def raw(client, order):
    response = client.chat.completions.with_raw_response.create(**order["body"])
    return {"request_id": response.request_id, "body": response.parse().model_dump()}


def files(client, order):
    return [file.model_dump() for file in client.files.list()]


def describe(error):
    response = getattr(error, "response", None)
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "message": getattr(error, "message", str(error)),
        "status": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "param": getattr(error, "param", None),
        "type": getattr(error, "type", None),
        "request_id": getattr(error, "request_id", None),
        "header": None if response is None else response.headers.get("x-request-id"),
    }


orders = {
    "chat": chat,
    "stream": stream,
    "completion": completion,
    "response": response,
    "response_stream": response_stream,
    "embeddings": embeddings,
    "models": models,
    "model": model,
    "raw": raw,
    "files": files,
}

main()
