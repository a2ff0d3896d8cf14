#!/usr/bin/python
# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mysql_indexes
short_description: Create the indexes that queries need, prove that they help, and take them back
version_added: 0.1.0
description:
  - Takes tables, the indexes wanted on them and the queries that these are for. Checks everything before it touches
    anything, measures the queries, creates the indexes while others go on writing, renews the tables' statistics,
    measures again, and says which queries improved and which indexes nobody uses.
  - An index is not created where one that is there does the same. The primary key at the end of every InnoDB index
    counts.
  - Every step is in a journal on this host (C(/var/lib/webstack/mysql_indexes)) before the next is taken. A run that
    was cut off is taken up where it was, also when the server is still building for it. V(rolled_back) restores exactly
    the indexes that were there before.
  - A second run with the same indexes has nothing to do and measures nothing; it returns what the last run found.
author:
  - The rightsize.webstack authors (!UNKNOWN)
notes:
  - The user needs C(SELECT) and C(INDEX) on the database, and C(ALTER) where a rollback has to create an index again.
    With C(PROCESS) it can say who keeps a table from being changed.
  - Statements wait for a table at most O(lock_wait_timeout) seconds at a time. Whoever wants to write to the table
    during that wait waits as long. While the index is built nobody waits.
  - Queries are run in read-only transactions. Their plans are returned.
attributes:
  check_mode:
    description: Checks everything and returns the statements; queries are explained, not measured.
    support: full
  diff_mode:
    description: Shows the definitions of the tables' indexes.
    support: full
options:
  database:
    description: The database.
    type: str
    required: true
  state:
    description:
      - V(present) creates what is missing.
      - V(rolled_back) takes back all that this module has done to the database since the last V(rolled_back). Indexes
        that somebody else has made meanwhile stay.
    type: str
    choices: [present, rolled_back]
    default: present
  indexes:
    description: The wanted indexes.
    type: list
    elements: dict
    default: []
    suboptions:
      table: {description: The table., type: str, required: true}
      columns:
        description:
          - Columns in their order. C(title(20\\)) takes the first 20 characters, C(created_at desc) descends.
        type: list
        elements: str
        required: true
      name: {description: Name of the index; C(idx_TABLE_COLUMNS) by default., type: str}
  queries:
    description: The queries that the indexes are for, as the app sends them.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: What to call it., type: str, required: true}
      sql: {description: One SELECT., type: str, required: true}
      params:
        description: Values for its C(%s). With them, a percent sign in O(queries[].sql) is written C(%%).
        type: list
        elements: raw
        default: []
      max_ms: {description: "How fast its median should be (ms). The result says whether it is.", type: float}
  runs:
    description: How often each query is run before and after, after one run that does not count.
    type: int
    default: 20
  measure_seconds:
    description: A query that takes longer than this for all its runs is run less often, but three times at least.
    type: int
    default: 60
  query_timeout:
    description: Seconds after which a run of a query is cut off and counts as slower than any that ends.
    type: int
    default: 30
  min_improvement:
    description: By how much of its median (percent) a query must differ to count as improved or slower. The middle
      halves of its runs before and after must not overlap either.
    type: float
    default: 10.0
  keep:
    description: V(helpful) removes again those of the created indexes that no improved query uses, and does not try
      them again with the same queries. V(all) keeps them and says which they are.
    type: str
    choices: [all, helpful]
    default: all
  missing_tables:
    description:
      - V(skip) leaves out the indexes of tables that are not there yet, and the queries about them, and says so.
    type: str
    choices: [refuse, skip]
    default: refuse
  min_free_percent:
    description: How much of the server's disk must stay free beside the new indexes. Looked at where the server is on
      this host.
    type: float
    default: 10.0
  lock_wait_timeout:
    description: Seconds that one attempt waits for a table that a transaction holds.
    type: int
    default: 5
  lock_attempts:
    description: How often it is tried.
    type: int
    default: 5
  lock_pause:
    description: Seconds between two attempts, in which all writes go on.
    type: int
    default: 5
  wait_for_earlier:
    description: Seconds to wait for an index that the server still builds for a run that was cut off.
    type: int
    default: 600
extends_documentation_fragment:
  - rightsize.webstack.mysql_login
seealso:
  - module: rightsize.webstack.mysql_settings
"""

EXAMPLES = r"""
- name: Speed up the feed
  rightsize.webstack.mysql_indexes:
    database: agente
    indexes:
      - table: views
        columns: [user_id, created_at]
      - table: videos
        columns: [category_id, score]
    queries:
      - name: views of a user
        sql: SELECT video_id FROM views WHERE user_id = %s ORDER BY created_at DESC LIMIT 24
        params: [4711]
        max_ms: 70
      - name: best of a category
        sql: SELECT id FROM videos WHERE category_id = 7 ORDER BY score DESC LIMIT 24
        max_ms: 80
    keep: helpful
  register: indexed

- name: Show what it was good for
  ansible.builtin.debug:
    msg: "{{ indexed.report }}"

- name: Take all of it back
  rightsize.webstack.mysql_indexes:
    database: agente
    state: rolled_back
"""

RETURN = r"""
statements:
  description: The statements that were executed, or would be.
  returned: success
  type: list
  elements: str
  sample: ["CREATE INDEX `idx_views_user_id` ON `views` (`user_id`) ALGORITHM=NOCOPY LOCK=NONE"]
created:
  description: Indexes that this run created, or would create.
  returned: success
  type: list
  elements: str
removed:
  description: Indexes that this run removed, because they did not help or in a rollback.
  returned: success
  type: list
  elements: str
restored:
  description: Indexes that a rollback created again.
  returned: success
  type: list
  elements: str
satisfied:
  description: Wanted indexes that are not created, because another one does the same, with C(index), C(by) and C(why).
  returned: success
  type: list
  elements: dict
queries:
  description:
    - By name, what became of each query. C(verdict) is V(improved), V(same) or V(slower), C(factor) the median before
      divided by that after, C(met) whether C(max_ms) is kept.
    - C(before) and C(after) have C(median_ms), C(p95_ms), C(runs), C(rows), C(rows_read), C(timed_out), C(indexes) and
      C(explain).
  returned: success
  type: dict
indexes:
  description: By name, each wanted index that is there, with C(used_by), C(helped), C(size_mb) and C(created_by_us).
  returned: success
  type: dict
improved:
  description: Names of the queries that improved.
  returned: success
  type: list
  elements: str
unused:
  description: Names of wanted indexes that none of the queries uses.
  returned: success
  type: list
  elements: str
resumed:
  description: Whether this run took up one that was cut off.
  returned: success
  type: bool
skipped_tables:
  description: With O(missing_tables=skip), the tables that are not there yet.
  returned: success
  type: list
  elements: str
notes:
  description: What else a person should know.
  returned: success
  type: list
  elements: str
report:
  description: All of it in a few lines.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.connection import LOGIN_SPEC, Login
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.errors import MysqlError
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_report import result
from ansible_collections.rightsize.webstack.plugins.module_utils.mysql.index_run import run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "rolled_back"], "default": "present"},
            "indexes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "table": {"type": "str", "required": True},
                    "columns": {"type": "list", "elements": "str", "required": True},
                    "name": {"type": "str"},
                },
            },
            "queries": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "sql": {"type": "str", "required": True},
                    "params": {"type": "list", "elements": "raw", "default": []},
                    "max_ms": {"type": "float"},
                },
            },
            "runs": {"type": "int", "default": 20},
            "measure_seconds": {"type": "int", "default": 60},
            "query_timeout": {"type": "int", "default": 30},
            "min_improvement": {"type": "float", "default": 10.0},
            "keep": {"type": "str", "choices": ["all", "helpful"], "default": "all"},
            "missing_tables": {"type": "str", "choices": ["refuse", "skip"], "default": "refuse"},
            "min_free_percent": {"type": "float", "default": 10.0},
            "lock_wait_timeout": {"type": "int", "default": 5},
            "lock_attempts": {"type": "int", "default": 5},
            "lock_pause": {"type": "int", "default": 5},
            "wait_for_earlier": {"type": "int", "default": 600},
            **LOGIN_SPEC,
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        outcome = run(options, Login.of(options), module.check_mode)
    except MysqlError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result(outcome))


if __name__ == "__main__":
    main()
