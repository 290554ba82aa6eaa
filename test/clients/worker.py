"""A vendor's package, told line by line what to do: one JSON object in, one out, several at a time.

in:  {"order": 1, "do": "chat", "client": {...}, "body": {...}}
out: {"order": 1, "answer": {...}} or {"order": 1, "error": {...}}, always with "attempts": [seconds, ...] and "seen", the
     chunks of a stream that came before its end or its error
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

printing = threading.Lock()


def serve(package, create, base_error, orders, describe):
    def obey(order):
        attempts = []
        hooks = {"request": [lambda request: attempts.append(time.monotonic())]}
        options = order.get("client", {})
        # Without certificates, which take longer to read than all the rest.
        with package.DefaultHttpxClient(event_hooks=hooks, verify=False) as http:
            client = create(**{"max_retries": 0, **options}, http_client=http)
            try:
                result = {"answer": orders[order["do"]](client, order)}
            except base_error as error:
                result = {"error": {**common(error), **describe(error)}}
        result = {**result, "order": order["order"], "seen": order.get("seen", 0), "attempts": attempts}
        with printing:
            print(json.dumps(result), flush=True)

    with ThreadPoolExecutor(max_workers=16) as pool:
        for line in sys.stdin:
            pool.submit(obey, json.loads(line)).add_done_callback(complain)


def complain(done):
    """What is no error of the package ends the worker: nobody would be told of it otherwise."""
    if done.exception() is not None:
        sys.excepthook(type(done.exception()), done.exception(), done.exception().__traceback__)
        sys.stdout.close()


def common(error):
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "message": getattr(error, "message", str(error)),
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
    }
