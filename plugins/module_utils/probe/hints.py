# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to look at next when a check failed."""

from __future__ import annotations

from .types import Answer, Check

_BY_FAILURE = {
    "name": "the name does not resolve on this machine: fix DNS or /etc/hosts, or set connect_to to the address",
    "refused": "nothing listens there: `systemctl status nginx`, `ss -ltn`, and the port in url or connect_to",
    "socket": "the socket file is missing or closed to this user: `ls -l` it, `systemctl list-units --failed`",
    "timeout": "it accepts connections but is too slow: workers all busy, blocked on a database, or still starting? "
    "`journalctl -u 'APP@*' -n 50`, `uptime`, a firewall on the way; a longer max_seconds if the work is that long",
    "tls": "the certificate or TLS set-up: `openssl s_client -connect HOST:443 -servername NAME`; "
    "for an authority of your own set ca_file",
    "closed": "the connection was cut in the middle: a worker that crashed or was killed? "
    "`journalctl -u 'APP@*' -n 50`, `journalctl -k | grep -i oom`",
}
_BY_STATUS = {
    400: "the request was refused as malformed: nginx's error log, and the app's list of allowed host names",
    401: "it needs credentials: give them in secret_headers",
    403: "it is forbidden: nginx's allow and deny rules, credentials, permissions of files",
    404: "no such path: is this the right host name (another server block may have answered) and the right release?",
    405: "the path exists but not for this method",
    413: "the body is larger than nginx's client_max_body_size",
    421: "the server does not serve this host name on this connection: url and connect_to",
    422: "the app refused the content: compare the check's json with what the app's schema asks for",
    429: "a rate limit: check more slowly, or exempt the address that checks",
    500: "the app failed: the traceback is in `journalctl -u 'APP@*' -n 50`",
    502: "nginx runs, the app behind it does not answer: `systemctl list-units 'APP@*'`, "
    "`journalctl -u 'APP@*' -n 50`, `tail /var/log/nginx/error.log`",
    503: "the service says it is not available: a limit of nginx, or the app's own answer while it starts",
    504: "the app behind nginx took too long: `journalctl -u 'APP@*' -n 50`, and its database",
}
_BY_LOAD = {
    "error rate": "the errors are listed above: `journalctl -u 'APP@*' -n 50`, `tail /var/log/nginx/error.log`",
    "rate": "fewer requests than wanted: is the CPU busy (`uptime`, `top`), or do requests wait (database, network)? "
    "More concurrency in the load helps only in the second case",
}
_SLOW = "slower than wanted: is the CPU busy (`uptime`, `top`), memory short (`free -m`), or the database slow?"


def answer_hint(check: Check, answer: Answer) -> str:
    """Return what to look at after this answer failed the check."""
    if answer.failure:
        return _BY_FAILURE.get(answer.failure.kind, f"try it by hand: curl -v with the path {check.path}")
    if answer.status in check.status:
        return "the status is right but the content is not: is this the release that you meant, with its configuration?"
    if 300 <= answer.status < 400:
        place = answer.headers.get("location", "an unnamed place")
        return f"it redirects to {place}, and redirects are not followed: check that address, or declare this status"
    return _BY_STATUS.get(answer.status, "the app's log: `journalctl -u 'APP@*' -n 50`")


def load_hint(name: str) -> str:
    """Return what to look at after this threshold of a load was missed."""
    return _BY_LOAD.get(name, _SLOW)
