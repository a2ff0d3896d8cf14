#!/usr/bin/python
# -*- coding: utf-8 -*-

# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_probe
short_description: Check what an endpoint answers, and how it holds up under a bounded load
version_added: 0.1.0
author:
  - The rightsize.webstack authors (!UNKNOWN)
extends_documentation_fragment: [rightsize.webstack.checks]
description:
  - Sends the declared requests and judges status, headers, JSON content, text and time of the answers.
  - Optionally sends a bounded load and judges error rate, latency percentiles and throughput.
  - Fails with one message that lists every failed check, what was wanted, what came, the start of
    the answer's body, and what to look at next.
  - Follows no redirect and uses no proxy. What it found is returned when it fails, too.
requirements:
  - requests (Debian's C(python3-requests)) on the machine that checks
attributes:
  check_mode:
    support: full
    description:
      - GET, HEAD and OPTIONS are sent. Checks and loads with other methods are skipped, and the result says so.
  diff_mode:
    support: none
    description: Nothing is changed.
options:
  url:
    description:
      - Scheme, host, and optionally port and path prefix, as users write it. The host is sent as
        Host header and TLS server name. The paths of the checks are appended.
    type: str
    required: true
  connect_to:
    description:
      - Where to connect instead of the host in O(url). V(127.0.0.1), V(127.0.0.1:8443), V([::1]:8443) or
        V(unix:/run/app/live.sock).
    type: str
  validate_certs:
    description: Whether the certificate must be valid for the host in O(url).
    type: bool
    default: true
  ca_file:
    description: A file of authorities, on the machine that checks, to use instead of the system's.
    type: path
  load:
    description: A load to send after the checks. It is not sent when a check failed.
    type: dict
    suboptions:
      path:
        description: Path and query. V(/) when not given.
        type: str
      method:
        description: As for O(checks[].method).
        type: str
      headers:
        description: Headers to send. They can be seen in logs.
        type: dict
      secret_headers:
        description: Headers to send that are kept out of logs.
        type: dict
      json:
        description: What to send as a JSON body.
        type: raw
      body:
        description: What to send as a body of text.
        type: str
      status:
        description: The status of a right answer, or a list of them. Any other is an error. 200 when not given.
        type: raw
      requests:
        description: How many requests to send, 1 to 100000. 100 when not given.
        type: int
      concurrency:
        description: Over how many connections at once, 1 to 64. 4 when not given.
        type: int
      max_seconds:
        description: When to begin no more requests, at most 600. 30 when not given.
        type: float
      max_error_rate:
        description: The highest fraction of errors allowed, 0 to 1. 0 when not given.
        type: float
      max_p50_ms:
        description: The highest median latency of right answers allowed, in milliseconds. Not judged when not given.
        type: float
      max_p95_ms:
        description: The same for the latency that 95 % of right answers do not exceed (nearest rank).
        type: float
      max_p99_ms:
        description: The same for 99 %.
        type: float
      min_requests_per_second:
        description:
          - The lowest rate of right answers allowed. The client is a Python program; above some hundred requests
            a second it measures itself as much as the endpoint.
        type: float
  timeout_seconds:
    description: How long the checks may take together, tries included. The load has its own limit.
    type: float
    default: 30
  retry_seconds:
    description:
      - Try failed checks again after this pause, until they pass or O(timeout_seconds) are over. V(0) tries once.
      - A POST, PUT, PATCH or DELETE is sent again only when it certainly never arrived.
    type: float
    default: 0
notes:
  - It runs where the task runs. Use C(delegate_to=localhost) to check from the controller.
"""

EXAMPLES = r"""
- name: The app answers through nginx on this host, whatever DNS says
  rightsize.webstack.endpoint_probe:
    url: https://api.example.com
    connect_to: 127.0.0.1
    ca_file: /etc/ssl/certs/internal-ca.pem
    retry_seconds: 1
    checks:
      - path: /health
        expect_json: {status: ok}
        max_seconds: 2
      - path: /api/search/total
        method: POST
        json: {N_VIDEOS: 24}
        expect_json:
          videos: {length: 24}
      - path: /
        expect_headers: {Content-Type: ^application/json}

- name: It is fast enough, seen from the controller
  rightsize.webstack.endpoint_probe:
    url: https://api.example.com
    load:
      path: /health
      requests: 500
      concurrency: 10
      max_seconds: 20
      max_error_rate: 0.01
      max_p95_ms: 150
      min_requests_per_second: 50
  delegate_to: localhost
"""

RETURN = r"""
passed:
  description: Whether every check that was sent passed.
  returned: when the options make sense
  type: bool
  sample: true
checks:
  description:
    - One entry per check and per threshold of the load. RV(checks[].wanted) and RV(checks[].got) tell of the
      failed demands, or of all when all were met.
  returned: when the options make sense
  type: list
  elements: dict
  contains:
    name: {description: Name of the check., type: str}
    passed: {description: Whether it passed. False for a skipped one., type: bool}
    skipped: {description: Whether it was skipped because of check mode., type: bool}
    wanted: {description: What was wanted., type: str}
    got: {description: What came., type: str}
    body: {description: The first 200 characters of a failed check's answer., type: str}
    hint: {description: What to look at next., type: str}
    seconds: {description: How long the last answer took., type: float}
    tries: {description: How often it was sent., type: int}
  sample: [{name: GET /health, passed: true, skipped: false, wanted: status 200, got: status 200, body: "", hint: "",
            seconds: 0.004, tries: 1}]
load:
  description: What the load measured; latencies in milliseconds, of right answers only.
  returned: when a load was sent
  type: dict
  sample: {requests: 500, errors: 0, error_rate: 0.0, seconds: 2.1, requests_per_second: 238.1, p50_ms: 38.2,
           p95_ms: 61.0, p99_ms: 80.4, max_ms: 95.1, stopped_by: requests, error_kinds: {}}
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.options import CHECK_OPTIONS, LOAD_OPTIONS
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.parse import parse_probe
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.report import failure_message
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.runner import run_probe
from ansible_collections.rightsize.webstack.plugins.module_utils.probe.types import ProbeError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "connect_to": {"type": "str"},
            "validate_certs": {"type": "bool", "default": True},
            "ca_file": {"type": "path"},
            "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK_OPTIONS},
            "load": {"type": "dict", "options": LOAD_OPTIONS},
            "timeout_seconds": {"type": "float", "default": 30},
            "retry_seconds": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        probe = parse_probe(module.params)
        report = run_probe(probe, reads_only=module.check_mode)
    except ProbeError as error:
        module.fail_json(msg=str(error))
    result = {"changed": False, "passed": report.passed, "checks": [asdict(check) for check in report.checks]}
    if report.load is not None:
        result["load"] = asdict(report.load)
    if not report.passed:
        module.fail_json(msg=failure_message(probe.target, report.checks), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
