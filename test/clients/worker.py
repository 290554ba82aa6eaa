"""A vendor's package, told line by line what to do: one JSON object in, one out.

in:  {"do": "chat", "client": {...}, "body": {...}}
out: {"answer": {...}} or {"error": {...}}, always with "attempts": [seconds, ...]
"""

import json
import sys
import time


def serve(package, create, base_error, orders, describe):
    for line in sys.stdin:
        order = json.loads(line)
        attempts = []
        hooks = {"request": [lambda request: attempts.append(time.monotonic())]}
        options = order.get("client", {})
        with package.DefaultHttpxClient(event_hooks=hooks) as http:
            client = create(**{"max_retries": 0, **options}, http_client=http)
            try:
                result = {"answer": orders[order["do"]](client, order)}
            except base_error as error:
                result = {"error": {**common(error), **describe(error)}}
        print(json.dumps({**result, "attempts": attempts}), flush=True)


def common(error):
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "message": getattr(error, "message", str(error)),
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
    }
