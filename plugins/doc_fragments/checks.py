# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that every module has which makes checks (its argument spec: module_utils/probe/options.py)."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  checks:
    description: The requests to send, in this order, each with what must hold of its answer.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What to call the check. Method and path when not given.
        type: str
      path:
        description: Path and query. V(/) when not given.
        type: str
      method:
        description: One of GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE. GET when not given.
        type: str
      headers:
        description: Headers to send. They can be seen in logs.
        type: dict
      secret_headers:
        description: Headers to send that are kept out of logs, such as Authorization.
        type: dict
      json:
        description: What to send as a JSON body.
        type: raw
      body:
        description: What to send as a body of text. Not together with O(checks[].json).
        type: str
      status:
        description: The status to expect, or a list of statuses. 200 when not given.
        type: raw
      expect_headers:
        description: Names of headers that must be there, each with a regular expression that its value must contain.
        type: dict
      expect_json:
        description:
          - Dotted paths (V(data.0.id); V(a\\.b) for a dot in a name; V(.) for the whole document), each with the value
            wanted there, or with a mapping of one operator.
          - The operators are C(equals), C(exists) (true or false), C(matches) (a regular expression)
            and C(length) (of a list, mapping or text).
        type: dict
      contains:
        description: A text that the body must contain.
        type: str
      max_seconds:
        description: How long the complete answer may take. 10 s when not given.
        type: float
"""
