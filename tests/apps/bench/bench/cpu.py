"""An endpoint that computes."""

import hashlib
import json

from . import answer


def app(environ, start_response):
    """Compute for some milliseconds, as rendering a page does."""
    if environ["PATH_INFO"] == "/health":
        return answer(start_response, {})
    items = [{"id": i, "name": f"item {i * 7919 % 1009}", "price": i * 31 % 997 / 10} for i in range(1200)]
    items.sort(key=lambda item: (item["price"], item["name"]))
    text = json.dumps(items[:400]).encode()
    return answer(start_response, {"digest": hashlib.sha256(text).hexdigest()})
