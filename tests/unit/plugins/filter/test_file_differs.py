# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at many files says which of them have to be written."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from ansible_collections.rightsize.webstack.plugins.filter.file_differs import FilterModule, file_differs

TEXT = "año = 1\n"
THERE = {
    "path": "/etc/app.conf",
    "checksum": sha256(TEXT.encode()).hexdigest(),
    "mode": "0640",
    "pw_name": "root",
    "gr_name": "www-data",
}


def differs(found: dict[str, Any], text: str = TEXT) -> bool:
    return file_differs(
        {"files": [{**THERE, "path": "/etc/other"}, found]}, "/etc/app.conf", text, "0640", "root", "www-data"
    )


def test_a_file_as_it_should_be_does_not_differ() -> None:
    assert not differs(THERE)
    assert FilterModule().filters() == {"file_differs": file_differs}


@pytest.mark.parametrize(
    "change",
    [{"path": "/etc/app.conf.old"}, {"mode": "0644"}, {"pw_name": "app"}, {"gr_name": "root"}, {"checksum": "0"}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_elsewhere_or_otherwise_differs(change: dict[str, str]) -> None:
    assert differs({**THERE, **change})


def test_other_content_a_link_and_nothing_found_differ() -> None:
    assert differs(THERE, "año = 2\n")
    assert differs({key: value for key, value in THERE.items() if key != "checksum"})
    assert file_differs({}, "/etc/app.conf", TEXT)
