# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two set-ups of one thing, before and after, measured in turns so that a noisy machine is noisy for both.

runs = in_turns({"before": lambda: load.send(old), "after": lambda: load.send(new)}, rounds=5)
print(compare("requests/s", "3-5 x", runs, lambda run: run.per_second))
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from support.playbooks import CHECKOUT, clean_environment

SCRIPT = Path(__file__).with_name("guides.lua")
T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One measurement: requests per second, and what half and 95 % of the answers did not exceed (milliseconds)."""

    per_second: float
    p50_ms: float
    p95_ms: float
    requests: int


@dataclass(frozen=True)
class Load:
    """What wrk sends: the lines of ``requests`` in turn, over that many connections, for that long."""

    requests: Path
    connections: int
    seconds: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, url: str) -> Run:
        """Send it. Raises ``RuntimeError`` when an answer was wrong or missing: then nothing was measured."""
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{self.seconds}s", "--timeout=30s", "-s", str(SCRIPT), url]
        command += ["--", str(self.requests), *(f"{name}:{value}" for name, value in self.headers.items())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
        if line is None:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        found = json.loads(line.removeprefix("RESULT "))
        if found["bad"] or found["lost"] or not found["requests"]:
            raise RuntimeError(f"{url}: {line}")
        seconds = found["microseconds"] / 1e6
        return Run(found["requests"] / seconds, found["p50"] / 1000, found["p95"] / 1000, found["requests"])


def in_turns(sides: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Measure every side once in each round; who begins changes from round to round."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)
        for name in names[:: 1 if number % 2 == 0 else -1]:
            found[name].append(sides[name]())
    return found


@dataclass(frozen=True)
class Row:
    """One figure, as medians of all rounds; ``spread`` are the lowest and highest factors of a round."""

    what: str
    promised: str
    unit: str
    before: float
    after: float
    factor: float
    spread: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.spread
        numbers = (
            f"{_short(self.before)} | {_short(self.after)} {self.unit} | {_short(self.factor)} ({low:.2g}-{high:.2g})"
        )
        return f"| {self.what} | {self.promised} | {numbers} |"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def compare(what: str, promised: str, unit: str, runs: Mapping[str, Sequence[T]], value: Callable[[T], float]) -> Row:
    """Return the figure ``value`` of the sides ``before`` and ``after``; its factor is the median of the rounds'."""
    before, after = ([value(run) for run in runs[side]] for side in ("before", "after"))
    factors = [new / old if old else 0.0 for old, new in zip(before, after)]
    spread = (min(factors), max(factors))
    return Row(what, promised, unit, median(before), median(after), median(factors), spread)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [
        "| figure | the guide says | before | after | after / before |",
        "| --- | --- | --- | --- | --- |",
        *map(str, rows),
    ]


@contextmanager
def test_hosts(*hosts: Mapping[str, Any]) -> Iterator[None]:
    """Make test hosts (keys: tests/hosts/create.yml), and remove them when done; and before that, left-overs."""
    variables = json.dumps({"test_hosts": list(hosts)})
    _hosts("destroy", variables)
    _hosts("create", variables)
    try:
        yield
    finally:
        _hosts("destroy", variables)


def _hosts(playbook: str, variables: str) -> None:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"tests/hosts/{playbook}.yml", "-e", variables]
    done = subprocess.run(command, cwd=CHECKOUT, env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
