"""Check that the demo app answers, and print where: ``demo_address.py PORT``. Exits 1 when it does not answer."""

from __future__ import annotations

import sys

import requests


def main(port: str) -> int:
    """Ask the app for its health through nginx, by the name that a browser would use."""
    url = f"http://demo.localhost:{port}"
    try:
        # Not every resolver knows that names below .localhost are this machine; browsers and curl do.
        answer = requests.get(f"http://127.0.0.1:{port}/health", headers={"Host": f"demo.localhost:{port}"}, timeout=10)
    except requests.RequestException as error:
        print(f"The demo app does not answer at {url}: {error}", file=sys.stderr)
        print("A demo host keeps the port that it was made with: `make clean` first to change it.", file=sys.stderr)
        print("Look at the host: sudo podman exec -it webstack-demo journalctl --pager-end", file=sys.stderr)
        return 1
    print(f"\nThe demo app answered {answer.status_code} to /health: {answer.text.strip()[:200]}")
    print(f"\n  {url}/health     in a browser or with curl, on this machine")
    print("  sudo podman exec -it webstack-demo bash      a shell on the demo host")
    print("  make clean                                   removes it again\n")
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
