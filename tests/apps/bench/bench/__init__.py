"""The app of `make bench-sizing`."""

import json


def answer(start_response, content):
    """Answer a WSGI request with JSON."""
    body = json.dumps(content).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
