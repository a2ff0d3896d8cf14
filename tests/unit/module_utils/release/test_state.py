# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.rightsize.webstack.plugins.module_utils.release.errors import ReleaseError
from ansible_collections.rightsize.webstack.plugins.module_utils.release.layout import Layout, replace_symlink
from ansible_collections.rightsize.webstack.plugins.module_utils.release.state import (
    Event,
    awaiting_activation,
    current_id,
    find_release,
    finished_releases,
    lineage,
    live_id,
    migrations_done,
    read_history,
    record,
    release_ids,
    rollback_target,
    was_live,
)

from .conftest import add_release

R1, R2, R3, R4 = (f"2026112{day}T041000Z-000000{day}" for day in (1, 2, 3, 4))


def event(what: str, release: str, previous: str | None = None) -> Event:
    return Event("2026-11-21T04:10:00Z", what, release, previous, "ana@desk")


def test_a_rollback_goes_to_what_was_live_before_and_twice_in_a_row_further_back() -> None:
    history = [event("deploy", R1), event("deploy", R2, R1), event("deploy", R3, R2), event("rollback", R2, R3)]
    assert lineage(history, R3) == [R2, R1]
    assert lineage(history, R2) == [R1]


def test_a_release_deployed_after_a_rollback_never_leads_back_to_the_bad_one() -> None:
    history = [event("deploy", R1), event("deploy", R2, R1), event("rollback", R1, R2), event("deploy", R3, R1)]
    assert lineage(history, R3) == [R1]


def test_a_cycle_in_a_damaged_history_ends() -> None:
    history = [event("deploy", R1, R2), event("deploy", R2, R1)]
    assert lineage(history, R1) == [R2, R1]


def test_a_reload_counts_as_a_step() -> None:
    assert lineage([event("deploy", R1), event("reload", R2, R1)], R2) == [R1]


def test_the_target_of_a_rollback_is_the_nearest_one_still_complete(layout: Layout) -> None:
    history = [event("deploy", R1), event("deploy", R2, R1), event("deploy", R3, R2)]
    add_release(layout, R1)
    add_release(layout, R3)
    (layout.release(R2)).mkdir()  # half removed
    assert rollback_target(layout, history, R3).id == R1


def test_without_a_target_the_choices_are_named(layout: Layout) -> None:
    add_release(layout, R1)
    add_release(layout, R4)
    with pytest.raises(ReleaseError, match=f"nothing to roll back to.*{R4}"):
        rollback_target(layout, [event("deploy", R1)], R1)


def test_history_survives_a_torn_line(layout: Layout) -> None:
    record(layout, event("deploy", R1))
    with layout.history.open("a") as handle:
        handle.write('{"time": "2026-11-21T04:11')
    assert [entry.release for entry in read_history(layout)] == [R1]


def test_an_event_after_a_torn_line_is_not_lost(layout: Layout) -> None:
    record(layout, event("deploy", R1))
    with layout.history.open("a") as handle:
        handle.write('{"time": "2026-11-21T04:11')
    record(layout, event("deploy", R2, R1))
    assert [entry.release for entry in read_history(layout)] == [R1, R2]


def test_a_directory_without_release_json_is_no_release(layout: Layout) -> None:
    add_release(layout, R1)
    layout.release(R2).mkdir()
    layout.release(R3).mkdir()
    (layout.release(R3) / "release.json").write_text('{"id": "2026')
    (layout.releases / "not-a-release").mkdir()
    assert release_ids(layout) == [R1, R2, R3]
    assert [release.id for release in finished_releases(layout)] == [R1]


def test_live_is_what_the_socket_says_and_current_what_boots(layout: Layout) -> None:
    assert live_id(layout) is None
    assert current_id(layout) is None
    replace_symlink(layout.live, f"{R2}.sock")
    replace_symlink(layout.current, f"releases/{R1}")
    assert (live_id(layout), current_id(layout)) == (R2, R1)


def test_behind_a_shared_socket_the_current_release_is_live(layout: Layout) -> None:
    replace_symlink(layout.current, f"releases/{R1}")
    replace_symlink(layout.live, layout.shared_socket.name)
    assert live_id(layout) == R1


def test_a_symlink_is_replaced_although_a_crash_left_its_temporary_one(tmp_path: Path) -> None:
    link = tmp_path / "live.sock"
    (tmp_path / ".live.sock.new").symlink_to("left-over")
    replace_symlink(link, "a.sock")
    replace_symlink(link, "b.sock")
    assert str(link.readlink()) == "b.sock"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live.sock"]


def test_a_release_is_found_by_id_or_by_the_version_it_was_made_from(layout: Layout) -> None:
    add_release(layout, R1, label="shop v0.1.0")
    add_release(layout, R2, label="shop v0.1.0")
    add_release(layout, R3, label="shop v0.1.0-rc1")
    assert find_release(layout, R1).id == R1
    assert find_release(layout, "v0.1.0").id == R2
    with pytest.raises(ReleaseError, match=r"'v9'.*shop v0\.1\.0-rc1"):
        find_release(layout, "v9")


def test_migrations_count_until_they_are_undone() -> None:
    history = [event("migrated", R1), event("migrated", R2), event("migration undone", R2)]
    assert migrations_done(history) == {R1}


def test_a_build_or_a_failure_is_not_having_been_live() -> None:
    history = [event("built", R1), event("failed", R1), event("rollback", R2)]
    assert not was_live(history, R1)
    assert was_live(history, R2)


def test_what_another_run_has_just_built_awaits_its_activation() -> None:
    history = [event("built", R1), event("built", R2), event("failed", R2), event("built", R3), event("deploy", R3)]
    built = datetime(2026, 11, 21, 4, 10, tzinfo=timezone.utc)
    assert awaiting_activation(history, built + timedelta(minutes=59)) == {R1}
    assert awaiting_activation(history, built + timedelta(minutes=61)) == set()
