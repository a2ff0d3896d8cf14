# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one can ask for: new code or configuration live, a given release live, the last change rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .activate import Check, Outcome, Run, activate, roll_back
from .build import build, copy_current, difference, find_equal
from .errors import ReleaseError
from .layout import Layout, check_app_name
from .lock import hold
from .spec import Settings, Spec
from .state import current_id, find_release, live_id, read_history, rollback_target


def run(options: Mapping[str, Any], check_mode: bool, check: Check) -> dict[str, Any]:
    """Do what the options of the release module ask for, and return the module's result."""
    layout = Layout(check_app_name(options["app"]))
    if options["state"] == "active" and not options["release"]:
        return _deploy(layout, options, check_mode, check)
    return _activate(layout, options, check_mode, check)


def parse_spec(options: Mapping[str, Any]) -> Spec:
    """Return what to build; raises ``ReleaseError`` for options that make no sense."""
    source = options["source"] or {"digest": "", "label": "", "archive": None, "requirement": None}
    if not options["source"] and not options["reuse_source"]:
        raise ReleaseError("source: say what to build from, or reuse_source to keep the code of the current release")
    try:
        settings = Settings.from_dict({**options["settings"], "checks": _given(options.get("checks") or ())})
    except TypeError as error:
        raise ReleaseError(f"settings: {error}") from None
    return Spec(
        source_digest=source["digest"],
        source_label=source["label"],
        archive=source["archive"],
        requirement=source["requirement"],
        settings=settings,
        config=options["config"],
        dependencies=options["dependencies"],
        installer=options["installer"],
        python=options["python"],
        server_requirements=tuple(options["server_requirements"]),
        build_environment=_strings(options["build_environment"]),
        environment=_strings(options["environment"]),
        secrets=_strings(options["secrets"]),
    )


def _given(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what Ansible fills in for options that were not given."""
    return [{key: value for key, value in check.items() if value is not None} for check in checks]


def _strings(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in values.items()}


def _deploy(layout: Layout, options: Mapping[str, Any], check_mode: bool, check: Check) -> dict[str, Any]:
    spec = parse_spec(options)
    if check_mode:
        return _would_deploy(layout, spec, options)
    task = _task(layout, options, options["kind"], check)
    with hold(
        layout.lock,
        f"{task.what} of {spec.source_label or 'the code that is live'}",
        options["by"],
        options["lock_timeout"],
    ):
        if options["reuse_source"]:
            spec = copy_current(layout, spec)
        diff = difference(layout, spec)
        built = build(layout, spec, options["by"], options["uv_version"], options["force"])
        outcome = activate(task, built.id)
    result = _result(outcome)
    result["changed"] |= built.built
    return {**result, "steps": [*built.steps, *outcome.steps], "diff": [diff, result["diff"]]}


def _would_deploy(layout: Layout, spec: Spec, options: Mapping[str, Any]) -> dict[str, Any]:
    if options["reuse_source"]:
        spec = copy_current(layout, spec)
    known = None if options["force"] else find_equal(layout, spec)
    diff = difference(layout, spec)
    if known is None:
        return {"changed": True, "release": "", "previous": current_id(layout), "steps": [], "diff": [diff]}
    result = _would_activate(layout, {**options, "release": known.id})
    return {**result, "diff": [diff, result["diff"]]}


def _activate(layout: Layout, options: Mapping[str, Any], check_mode: bool, check: Check) -> dict[str, Any]:
    back = options["state"] == "rolled_back"
    if check_mode:
        return _would_activate(layout, options)
    task = _task(layout, options, "rollback" if back else options["kind"], check)
    what = f"{task.what} of {options['release'] or 'the last release'}"
    with hold(layout.lock, what, options["by"], options["lock_timeout"]):
        outcome = roll_back(task, options["release"]) if back else activate(task, options["release"])
    return _result(outcome)


def _task(layout: Layout, options: Mapping[str, Any], what: str, check: Check) -> Run:
    checker: Check = (lambda _release: []) if options["skip_checks"] else check
    return Run(layout, what, options["by"], checker, options["keep"])


def _would_activate(layout: Layout, options: Mapping[str, Any]) -> dict[str, Any]:
    current = current_id(layout)
    wanted = options["release"]
    if options["state"] == "rolled_back" and not wanted:
        if not current:
            raise ReleaseError(f"{layout.app}: nothing was ever live on this host, so there is nothing to roll back")
        wanted = rollback_target(layout, read_history(layout), current).id
    release = find_release(layout, wanted).id
    changed = release != current or live_id(layout) != current
    diff = {"before": f"{current}\n", "after": f"{release}\n"}
    return {"changed": changed, "release": release, "previous": current, "steps": [], "diff": diff}


def _result(outcome: Outcome) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "release": outcome.release,
        "previous": outcome.previous,
        "steps": outcome.steps,
        "pruned": outcome.pruned,
        "left_behind": outcome.warnings,
        "diff": {"before": f"{outcome.previous}\n", "after": f"{outcome.release}\n"},
    }
