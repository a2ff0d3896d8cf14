# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from ansible_collections.rightsize.webstack.plugins.module_utils.hardware.types import Board, Cluster, Hardware
from ansible_collections.rightsize.webstack.plugins.module_utils.sizing.page import page
from unit.module_utils.sizing.machines import ORANGE_PI, machine, planned

EMPTY_ELEMENTS = ("meta", "br")


class Reader(HTMLParser):
    """Collects text and demands that every element that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def facts(hardware: Hardware, *apps: dict[str, Any], services: tuple[str, ...] = ("nginx",)) -> dict[str, Any]:
    return {"hardware": hardware.to_dict(), "sizing": planned(hardware, *apps, services=services).to_dict()}


def read(text: str) -> str:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return " ".join(reader.words)


AGENT = {"name": "agente", "workload": "llm", "postgres": {"database": "agente"}}
BOTH = ("nginx", "postgres")


def test_every_number_and_every_reason_is_on_the_page() -> None:
    host = facts(ORANGE_PI, AGENT, services=BOTH)
    text = read(page({"orangepi": host}))
    for reason in host["sizing"]["reasons"].values():
        assert reason.partition(": ")[2] in text
    for cluster in host["hardware"]["cpu"]["clusters"]:
        assert f"{len(cluster['cpus'])} × {cluster['name'] or cluster['kind']}" in text


def test_the_memory_bar_is_the_whole_budget() -> None:
    widths = re.findall(r"width:([0-9.]+)%", page({"orangepi": facts(ORANGE_PI, AGENT, services=BOTH)}))
    assert abs(sum(map(float, widths)) - 100) < 0.01


def test_a_service_has_one_colour_on_all_hosts() -> None:
    hosts = {"one": facts(ORANGE_PI, AGENT, services=BOTH), "two": facts(ORANGE_PI, services=("mysql", "postgres"))}
    colours = re.findall(r'background:(#[0-9a-f]+)"></b>([a-z ]+):', page(hosts))
    assert len({colour for colour, name in colours if name == "postgres"}) == 1
    assert len({colour for colour, _name in colours}) == len({name for _colour, name in colours})


def test_several_hosts_have_a_column_each_and_a_dash_for_what_they_lack() -> None:
    hosts = {
        "web": facts(ORANGE_PI, {"name": "shop"}),
        "db": facts(machine(16384, 4.0), services=("postgres",)),
    }
    text = page(hosts)
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    assert all(len(re.findall(r"<t[hd]\b", row)) == 3 for row in rows)
    assert '<td class="none">–</td>' in text
    read(text)


def test_what_remains_comes_last_on_every_host() -> None:
    text = page({"web": facts(ORANGE_PI, {"name": "shop"}), "db": facts(machine(16384, 4.0), services=("postgres",))})
    names = re.findall(r"<tr><th>([a-z ]+)</th>", text.partition(">memory, MB<")[2].partition('class="section"')[0])
    assert names[-1] == "page cache"
    assert "postgres" in names


def test_on_a_narrow_screen_every_number_says_whose_it_is() -> None:
    text = page({'"><b>web': facts(ORANGE_PI, {"name": "shop"}), "db": facts(machine(16384, 4.0))})
    assert '<td data-host="&quot;&gt;&lt;b&gt;web">' in text
    assert "data-host" not in re.sub(r"<style>.*?</style>", "", page({"web": facts(ORANGE_PI)}), flags=re.S)


def test_many_processors_are_drawn_closer_together() -> None:
    cluster = Cluster("A server's", "uniform", tuple(range(96)), 1.0)
    server = replace(ORANGE_PI, cpu=replace(ORANGE_PI.cpu, clusters=(cluster,)))
    text = page({"server": facts(server)})
    assert text.count('<div class="cpu uniform"') == 96
    assert '<div class="cpus crowd">' in text


def test_a_page_needs_nothing_from_anywhere_and_lets_no_name_become_markup() -> None:
    hostile = replace(ORANGE_PI, board=Board(model='<script src="x">'))
    text = page({"<b>host": facts(hostile)})
    assert "<script" not in text
    assert "<b>host" not in text
    assert not re.search(r"https?://|url\(|@import| src=", text.replace("&lt;script src=", ""))
