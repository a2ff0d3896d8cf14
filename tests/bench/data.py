# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the stores as planned with the distribution's defaults and with public tuners, on one small host.

    make bench-data                                            (all: about half an hour)
    make bench-data SECTIONS="postgres deploy" QUICK=1         (seconds instead of minutes; proves nothing)

Sections: postgres, mysql, redis: the sides of each are loaded in turns, round after round, because machines are noisy.
deploy: a second deploy of the whole stack against a playbook with one ping. story: the recommendation guide's phases.

Everything is kept in .build/bench/data.json, so that sections can be run one by one; a table of all is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.data_report import table
from bench.data_sides import CPUS, MEMORY_MB
from bench.data_stores import HOST, QUICK, STORES, Scale, Store
from bench.data_story import story
from bench.speed import measure, write_play
from support.playbooks import CHECKOUT, clean_environment, run_playbook, write_inventory

SCRATCH = CHECKOUT / ".build" / "bench"
RESULTS = SCRATCH / "data.json"
GROUPS = ("app", "proxy", "postgres", "redis", "mysql")
SECTIONS = (*STORES, "deploy", "story")
ROUNDS = 5


def inventory(directory: Path) -> Path:
    """Write the inventory of the host with everything on it."""
    secret = "bench-0123456789"
    rows = {"ledger.*": "ALL"}
    app = {
        "name": "ledger",
        "source": {"path": str(CHECKOUT / "tests" / "apps" / "ledger")},
        "entrypoint": "ledger.main:app",
        "domain": "ledger.example.test",
        "migrate": ["python -m ledger.schema"],
        "postgres": {"password": secret, "owner_password": secret, "extensions": ["vector"]},
        "redis": {"password": secret},
        "mysql": {"database": "ledger"},
        "secrets": dict.fromkeys(("MYSQL_URL", "MYSQL_OWNER_URL"), f"mysql://ledger:{secret}@localhost/ledger"),
    }
    variables = {
        "webstack_apps": [app],
        "mysql_tuning_install": True,
        "mysql_tuning_users": [{"name": "ledger", "password": secret, "privileges": rows}],
    }
    return write_inventory(directory, HOST, groups=GROUPS, variables=variables)


@contextmanager
def host() -> Iterator[None]:
    """Make the host, and remove it when done."""
    spec = {"name": HOST, "memory": f"{MEMORY_MB}m", "cpus": CPUS}
    playbook("destroy", [spec])
    playbook("create", [spec])
    try:
        yield
    finally:
        playbook("destroy", [spec])


def playbook(name: str, hosts: Sequence[Mapping[str, Any]]) -> None:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"tests/hosts/{name}.yml"]
    command += ["--extra-vars", json.dumps({"test_hosts": hosts})]
    done = subprocess.run(command, cwd=CHECKOUT, env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def compare(store: Store, rounds: int) -> dict[str, Any]:
    """Load every side in each round; return all that was measured."""
    store.prepare()
    found: dict[str, Any] = {side: {"runs": [], "held_mb": [], "worst_mb": None} for side in store.sides}
    for number in range(rounds):
        # Another order each time: what comes first is not always the same side.
        sides = [*store.sides[number % len(store.sides) :], *store.sides[: number % len(store.sides)]]
        for side in sides:
            store.apply(side)
            run = store.measure()
            found[side]["runs"].append(run)
            found[side]["held_mb"].append(store.held_mb(side))
            found[side]["worst_mb"] = store.worst_mb()
            print(f"  round {number + 1}, {side}: {', '.join(f'{k} {v:.5g}' for k, v in run.items())}", flush=True)
    store.apply(next(side for side in store.sides if side.startswith("ours")))
    return {"sides": found}


def deploy(where: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """Time a second deploy with nothing to do against a ping, in turns."""
    ping = write_play(scratch, "ping", "ansible.builtin.ping:")
    run_playbook("deploy", where).assert_ok()
    # The plan follows what the first release was seen to use.
    run_playbook("deploy", where).assert_ok()
    found: dict[str, list[float]] = {"ping": [], "second deploy": []}
    for _unused in range(rounds):
        found["ping"].append(measure(ping, where).wall)
        found["second deploy"].append(measure(CHECKOUT / "playbooks" / "deploy.yml", where).wall)
    medians = {name: statistics.median(times) for name, times in found.items()}
    print(f"  {medians}, {medians['second deploy'] / medians['ping']:.1f} times", flush=True)
    return found


def stored() -> dict[str, Any]:
    """Return what was measured so far."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def keep(section: str, found: Mapping[str, Any]) -> None:
    RESULTS.write_text(json.dumps(stored() | {section: found}, indent=1) + "\n", encoding="utf-8")


def run(sections: Sequence[str], scale: Scale, rounds: int) -> None:
    """Measure the chosen sections and keep each as soon as it is done."""
    with tempfile.TemporaryDirectory() as scratch:
        if set(sections) - {"story"}:
            with host():
                where = inventory(Path(scratch) / "inventory")
                print("provisioning ...", flush=True)
                run_playbook("provision", where).assert_ok()
                for name in sections:
                    print(name, flush=True)
                    if name in STORES:
                        keep(name, compare(STORES[name](scale), rounds) | {"budget_mb": budget(where, scratch)[name]})
                    elif name == "deploy":
                        keep(name, deploy(where, Path(scratch), rounds))
        if "story" in sections:
            print("story", flush=True)
            keep("story", story(Path(scratch), playbook, scale.seconds, rounds))


def budget(where: Path, scratch: str) -> dict[str, int]:
    """Return the plan's part of each service in MiB."""
    page = Path(scratch) / "budget.json"
    play = Path(scratch) / "budget.yml"
    tasks = CHECKOUT / "playbooks" / "tasks" / "size_host.yml"
    play.write_text(
        f"- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_tasks: {tasks}\n"
        f"    - ansible.builtin.copy: {{content: '{{{{ ansible_facts.sizing.memory | to_json }}}}', dest: {page}, "
        "mode: '0600'}\n      delegate_to: localhost\n",
        encoding="utf-8",
    )
    run_playbook(str(play.with_suffix("")), where).assert_ok()
    return {line["for"]: line["mb"] for line in json.loads(page.read_text(encoding="utf-8"))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the stores as planned with defaults and public tuners.")
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=[])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="little data and short runs: to see that it works")
    parser.add_argument("--report-only", action="store_true", help="print what was measured before")
    chosen = parser.parse_args()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    if not chosen.report_only:
        scale, rounds = (QUICK, 1) if chosen.quick else (Scale(), chosen.rounds)
        run(chosen.sections or SECTIONS, scale, rounds)
    print("\n".join(table(stored())))


if __name__ == "__main__":
    main()
