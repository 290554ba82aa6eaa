"""The real openai package, told what to do as worker.py says; a stream may be left: {"leave_after": 3}."""

import openai
from worker import serve


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
            order["seen"] = len(chunks)
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
        "code": getattr(error, "code", None),
        "param": getattr(error, "param", None),
        "type": getattr(error, "type", None),
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

serve(openai, openai.OpenAI, openai.OpenAIError, orders, describe)
