"""The real anthropic package, told what to do as worker.py says."""

import anthropic
from worker import serve


def message(client, order):
    answer = client.messages.create(**order["body"])
    return {"body": answer.model_dump(), "request_id": answer._request_id}


def stream(client, order):
    texts = []
    with client.messages.stream(**order["body"]) as answer:
        for text in answer.text_stream:
            texts.append(text)
            order["seen"] = len(texts)
        final = answer.get_final_message()
    return {"text": "".join(texts), "body": final.model_dump()}


def count(client, order):
    return client.messages.count_tokens(**order["body"]).model_dump()


def batches(client, order):
    return [batch.model_dump() for batch in client.messages.batches.list()]


def describe(error):
    return {"body": getattr(error, "body", None)}


orders = {"message": message, "stream": stream, "count": count, "batches": batches}

serve(anthropic, anthropic.Anthropic, anthropic.AnthropicError, orders, describe)
