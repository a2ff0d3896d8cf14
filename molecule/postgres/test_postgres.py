# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live server is what the inventory says, whatever happens to it; and it is restarted only when that is needed."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.footprint import changes, footprint
from support.playbooks import DEMO_APP, Result, container, podman_exec, run_playbook, write_inventory

HOST, VIRGIN = "postgres", "nopostgres"
CANARY = f"canary{secrets.token_hex(8)}"
DROPIN = "/etc/postgresql/17/main/conf.d/rightsize.conf"
HBA = "/etc/postgresql/17/main/pg_hba.conf"
UNIT = "postgresql@17-main.service"
VECTOR_TABLE = """
SET ROLE shop_owner;
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, embedding vector(8));
INSERT INTO items (name, embedding)
    SELECT 'item ' || n, (SELECT array_agg(sin(n * k))::vector FROM generate_series(1, 8) k)
    FROM generate_series(1, 3000) n;
CREATE INDEX items_name ON items (name);
"""


def inventory(
    directory: Path,
    postgres: Mapping[str, Any] | None = None,
    *,
    host: str = HOST,
    groups: tuple[str, ...] = ("postgres",),
    app: Mapping[str, Any] | None = None,
    **variables: Any,
) -> Path:
    """Write an inventory with one app; ``postgres`` changes what it asks of PostgreSQL."""
    asked = {"password": "first", "extensions": ["vector"], **(postgres or {})}
    entry = {
        "name": "shop",
        "source": {"path": str(DEMO_APP)},
        "entrypoint": "demo.main:app",
        "domain": "shop.example.test",
        "postgres": asked,
        **(app or {}),
    }
    return write_inventory(directory, host, groups=groups, variables={"webstack_apps": [entry], **variables})


def provision(directory: Path, postgres: Mapping[str, Any] | None = None, **options: Any) -> Result:
    return run_playbook("provision", inventory(directory, postgres, **options))


def sql(statement: str, database: str = "shop") -> str:
    command = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
    done = subprocess.run(
        ["podman", "exec", "-i", container(HOST), *command],
        input=statement,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def login(user: str, password: str, statement: str = "SELECT 1", database: str = "shop", port: int = 5432) -> str:
    """Log in over TCP as an app does; return what the server answers, its refusals included."""
    url = f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"
    done = podman_exec(HOST, "psql", "-XAtq", url, "-c", statement, check=False)
    return (done.stdout + done.stderr).strip()


def started() -> str:
    return sql("SELECT pg_postmaster_start_time()", "postgres")


def setting(name: str) -> str:
    return sql(f"SHOW {name}", "postgres")


@pytest.fixture(scope="module", autouse=True)
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What converge has made already; and a table with vectors."""
    provision(tmp_path_factory.mktemp("first")).assert_ok()
    if sql("SELECT to_regclass('items')") == "":
        sql(VECTOR_TABLE)


# What it is after the first run


def test_the_live_server_has_the_plans_numbers() -> None:
    file = podman_exec(HOST, "cat", DROPIN).stdout
    buffers = next(line for line in file.splitlines() if line.startswith("shared_buffers"))
    assert setting("shared_buffers") == buffers.split("'")[1]
    assert setting("shared_buffers") != "128MB"
    assert setting("jit") == "off"
    assert sql("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert sql("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


def test_the_server_logs_json_and_has_started_without_a_warning() -> None:
    log = podman_exec(HOST, "sh", "-c", "cat /var/log/postgresql/*.json").stdout
    assert '"error_severity":"LOG"' in log
    assert [line for line in log.splitlines() if '"PANIC"' in line or '"error_severity":"WARNING"' in line] == []


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert provision(tmp_path).assert_ok().recap[HOST]["changed"] == 0


def test_the_app_may_do_what_apps_do_and_no_more(tmp_path: Path) -> None:
    provision(tmp_path).assert_ok()
    assert login("shop", "first", "SELECT count(*) FROM items") == "3000"
    assert login("shop", "first", "INSERT INTO items (name) VALUES ('new') RETURNING 1") == "1"
    assert login("shop", "first", "DELETE FROM items WHERE name = 'new' RETURNING 1") == "1"
    for statement in ("CREATE TABLE mine ()", "DROP TABLE items", "TRUNCATE items", "SELECT * FROM pg_authid"):
        assert "permission denied" in login("shop", "first", statement) or "must be owner" in login(
            "shop", "first", statement
        )
    assert "no pg_hba.conf entry" in login("shop", "first", database="postgres")


def test_a_wrong_password_is_refused() -> None:
    assert login("shop", "first") == "1"
    assert "password authentication failed" in login("shop", "wrong")
    assert sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'shop'").startswith("SCRAM-SHA-256$")


# Changed values


def test_a_changed_value_reaches_the_server_and_cuts_nobody(tmp_path: Path) -> None:
    before = started()
    work = subprocess.Popen(
        ["podman", "exec", container(HOST), "psql", "-XAtq", "postgresql://shop:first@127.0.0.1/shop", "-c"]
        + ["SELECT pg_sleep(8), 'survived'"],
        stdout=subprocess.PIPE,
        text=True,
    )
    result = provision(tmp_path, webstack_overrides={"postgres.work_mem_kb": 3456}).assert_ok()
    assert setting("work_mem") == "3456kB"
    assert started() == before
    assert result.recap[HOST]["changed"] == 2, "the file and the reload"
    assert work.communicate(timeout=60)[0].strip() == "|survived"
    provision(tmp_path).assert_ok()
    assert setting("work_mem") != "3456kB"


def test_a_restart_is_made_only_when_needed_and_allowed(tmp_path: Path) -> None:
    before, buffers = started(), setting("shared_buffers")
    overrides = {"postgres.shared_buffers_mb": 200}
    result = provision(tmp_path, webstack_overrides=overrides).assert_ok()
    assert "wait for a restart" in result.stdout and "200MB" in result.stdout
    assert (started(), setting("shared_buffers")) == (before, buffers)
    run_playbook("verify", tmp_path).assert_failed("WRONG", "shared_buffers", "only a restart applies it")
    provision(tmp_path, webstack_overrides=overrides, postgres_pgvector_restart="when_required").assert_ok()
    assert started() != before and setting("shared_buffers") == "200MB"
    after = started()
    provision(tmp_path, webstack_overrides=overrides, postgres_pgvector_restart="when_required").assert_ok()
    assert started() == after
    provision(tmp_path, postgres_pgvector_restart="when_required").assert_ok()
    assert setting("shared_buffers") == buffers


def test_a_file_that_was_written_but_never_loaded_is_loaded(tmp_path: Path) -> None:
    """What a run leaves that was killed between the two."""
    provision(tmp_path, webstack_overrides={"postgres.work_mem_kb": 3456}).assert_ok()
    podman_exec(HOST, "sh", "-c", f"cp {DROPIN} /root/new.conf")
    provision(tmp_path).assert_ok()
    podman_exec(HOST, "sh", "-c", f"cp /root/new.conf {DROPIN}")
    assert setting("work_mem") != "3456kB"
    provision(tmp_path, webstack_overrides={"postgres.work_mem_kb": 3456}).assert_ok()
    assert setting("work_mem") == "3456kB"
    provision(tmp_path).assert_ok()


def test_a_rotated_password_reaches_the_server(tmp_path: Path) -> None:
    result = provision(tmp_path, {"password": "second"}).assert_ok()
    assert result.recap[HOST]["changed"] == 1
    assert login("shop", "second") == "1"
    assert "password authentication failed" in login("shop", "first")
    provision(tmp_path).assert_ok()
    assert login("shop", "first") == "1"


def test_access_is_taken_back_when_it_becomes_less(tmp_path: Path) -> None:
    provision(tmp_path, {"access": "readonly"}).assert_ok()
    assert "permission denied" in login("shop", "first", "DELETE FROM items")
    assert login("shop", "first", "SELECT count(*) > 1 FROM items") == "t"
    provision(tmp_path, {"access": "owner"}).assert_ok()
    assert login(
        "shop", "first", "CREATE TABLE mine (n int); SELECT tableowner FROM pg_tables WHERE tablename = 'mine'"
    ) == ("shop_owner")
    assert login("shop", "first", "DROP TABLE mine") == ""
    provision(tmp_path).assert_ok()
    assert "permission denied" in login("shop", "first", "CREATE TABLE mine ()")
    assert login("shop", "first", "SELECT count(*) > 1 FROM items") == "t"


# Vector indexes


def test_indexes_are_built_rebuilt_when_their_parameters_change_and_else_left_alone(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {"indexes": [{"table": "items", "column": "embedding", "m": 8, "ef_construction": 32}]}
    wanted["settings"] = {"hnsw.ef_search": 77, "hnsw.iterative_scan": "relaxed_order"}
    provision(tmp_path, wanted).assert_ok()
    identity = (
        "SELECT oid, reloptions, indisvalid FROM pg_class JOIN pg_index ON indexrelid = oid WHERE relname ~ 'hnsw'"
    )
    first = sql(identity)
    assert "{ef_construction=32,m=8}|t" in first and len(first.splitlines()) == 1
    assert login("shop", "first", "SHOW hnsw.ef_search") == "77"
    query = "SELECT id FROM items ORDER BY embedding <=> '[1,1,1,1,1,1,1,1]' LIMIT 5"
    assert "items_embedding_hnsw" in login("shop", "first", f"EXPLAIN {query}")
    assert provision(tmp_path, wanted).assert_ok().recap[HOST]["changed"] == 0
    assert sql(identity) == first
    wanted["indexes"][0]["m"] = 12
    provision(tmp_path, wanted).assert_ok()
    second = sql(identity)
    assert second != first and "m=12" in second and len(second.splitlines()) == 1


def test_what_a_build_left_that_was_cut_short_is_built_anew(tmp_path: Path) -> None:
    wanted = {"indexes": [{"table": "items", "column": "embedding", "name": "cut"}]}
    sql("CREATE INDEX cut_building ON items USING hnsw (embedding vector_cosine_ops)")
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'cut_building'::regclass")
    provision(tmp_path, wanted).assert_ok()
    assert (
        sql("SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid = oid WHERE relname ~ 'cut'")
        == "cut|t"
    )
    sql("DROP INDEX cut")


def test_an_index_waits_for_its_table(tmp_path: Path) -> None:
    wanted = {"indexes": [{"table": "later", "column": "embedding"}]}
    assert "Indexes are declared on later" in provision(tmp_path, wanted).assert_ok().stdout


# What goes wrong


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shared_buffers": "900GB"}, ("would not start", "shared_buffers")),
        ({"shared_bufers": "1GB"}, ("would not start", "shared_bufers")),
        ({"wal_level": "minimal"}, ("would not start", "wal_level")),
        ({"shared_preload_libraries": "nothere"}, ("would not start", "nothere")),
    ],
)
def test_an_invalid_setting_is_found_before_anything_is_replaced(
    settings: dict[str, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    before, file = started(), podman_exec(HOST, "cat", DROPIN).stdout
    options: dict[str, Any] = {"postgres_pgvector_settings": settings, "postgres_pgvector_restart": "when_required"}
    provision(tmp_path, **options).assert_failed(*words)
    assert (started(), podman_exec(HOST, "cat", DROPIN).stdout) == (before, file)


def test_a_restart_that_fails_goes_back_to_what_the_server_ran_with(tmp_path: Path) -> None:
    """A port that is taken only shows when the server starts."""
    holder = "import socket, time; s = socket.socket(); s.bind(('127.0.0.2', 5432)); s.listen(); time.sleep(90)"
    podman_exec(HOST, "systemd-run", "--quiet", "--unit=holder", "python3", "-c", holder)
    options: dict[str, Any] = {
        "postgres_pgvector_settings": {"listen_addresses": "127.0.0.2", "shared_buffers": "150MB"},
        "postgres_pgvector_restart": "when_required",
    }
    provision(tmp_path, **options).assert_failed("did not come back", "runs with the old ones again")
    podman_exec(HOST, "systemctl", "stop", "holder")
    assert login("shop", "first") == "1" and setting("shared_buffers") != "150MB"
    provision(tmp_path, postgres_pgvector_restart="when_required").assert_ok()
    assert sql("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"


def test_a_line_that_pg_hba_cannot_have_leaves_the_old_file(tmp_path: Path) -> None:
    before = podman_exec(HOST, "cat", HBA).stdout
    provision(tmp_path, postgres_pgvector_hba=["host all all nonsense scram"]).assert_failed(
        "cannot read", "line", "The old file is back"
    )
    assert podman_exec(HOST, "cat", HBA).stdout == before
    assert login("shop", "first") == "1"


def test_a_server_that_is_down_is_seen_and_started(tmp_path: Path) -> None:
    podman_exec(HOST, "systemctl", "stop", UNIT)
    inventory(tmp_path)
    run_playbook("verify", tmp_path).assert_failed("WRONG", "PostgreSQL does not answer", UNIT)
    provision(tmp_path).assert_ok()
    run_playbook("verify", tmp_path).assert_ok()


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        ("ALTER SYSTEM SET work_mem = '9MB'; SELECT pg_reload_conf()", ("work_mem", "postgresql.auto.conf")),
        ("ALTER ROLE shop SUPERUSER", ("role shop",)),
        ("ALTER ROLE shop PASSWORD 'other'", ("role shop",)),
        ("ALTER DATABASE shop OWNER TO postgres", ("database shop",)),
        ("GRANT CONNECT ON DATABASE shop TO PUBLIC", ("REVOKE CONNECT",)),
        ("REVOKE SELECT ON items FROM shop", ("GRANT SELECT", "items")),
        ("GRANT TRUNCATE ON items TO shop", ("REVOKE TRUNCATE",)),
        ("DROP EXTENSION vector CASCADE", ("no extension vector",)),
    ],
)
def test_verify_finds_drift_and_provision_heals_it(drift: str, words: tuple[str, ...], tmp_path: Path) -> None:
    sql(drift)
    inventory(tmp_path)
    run_playbook("verify", tmp_path).assert_failed("WRONG", *words)
    if "ALTER SYSTEM" in drift:
        provision(tmp_path).assert_failed("ALTER SYSTEM RESET", "work_mem")
        sql("ALTER SYSTEM RESET work_mem")
    provision(tmp_path).assert_ok()
    run_playbook("verify", tmp_path).assert_ok()
    if "EXTENSION" in drift:
        sql("DROP TABLE items")
        sql(VECTOR_TABLE)
        provision(tmp_path).assert_ok()


# Secrets


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Result]]:
    """Rotate to the canary with the server logging all that it is told, and Ansible saying all that it knows."""
    directory = tmp_path_factory.mktemp("canary")
    options: dict[str, Any] = {"postgres_pgvector_settings": {"log_statement": "all", "log_parameter_max_length": "-1"}}
    inventory(directory, {"password": CANARY, "owner_password": f"{CANARY}owner"}, **options)
    found = [
        run_playbook(name, directory, check=check, diff=True, verbosity=3).assert_ok()
        for name, check in (("provision", True), ("provision", False), ("verify", False))
    ]
    assert login("shop", CANARY) == "1" and login("shop_owner", f"{CANARY}owner") == "1"
    yield found
    provision(directory).assert_ok()


def test_the_password_is_in_nothing_that_ansible_prints(loud: list[Result]) -> None:
    lines = [line[:200] for result in loud for line in (result.stdout + result.stderr).splitlines() if CANARY in line]
    assert lines == []


def test_the_password_is_in_no_file_and_no_log_of_the_host(loud: list[Result]) -> None:
    logs = podman_exec(HOST, "sh", "-c", "cat /var/log/postgresql/*").stdout
    assert "ALTER USER" in logs or "ALTER ROLE" in logs, "the server did log what it was told"
    search = [
        "grep",
        "-rlaF",
        "--devices=skip",
        "--exclude-dir=proc",
        "--exclude-dir=sys",
        "--exclude-dir=dev",
        CANARY,
        "/",
    ]
    assert podman_exec(HOST, *search, check=False).stdout == ""
    journal = podman_exec(HOST, "journalctl", "--no-pager", "--all", "--output=export").stdout
    assert len(journal) > 1000 and CANARY not in journal
    sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "postgres")
    assert sql(f"SELECT count(*) FROM pg_stat_statements WHERE query ~ '{CANARY[:6]}[0-9a-f]'", "postgres") == "0"


# A host that has no PostgreSQL yet


def test_a_dry_run_on_a_host_without_postgresql_does_nothing(tmp_path: Path) -> None:
    podman_exec(VIRGIN, "rm", "-f", "/etc/apt/preferences.d/none")
    before = footprint(VIRGIN)
    result = run_playbook("provision", inventory(tmp_path, host=VIRGIN), check=True, diff=True).assert_ok()
    assert "+shared_buffers = " in result.stdout and "+host shop shop 127.0.0.1/32 scram-sha-256" in result.stdout
    assert changes(before, footprint(VIRGIN)) == []


def test_a_distribution_without_pgvector_is_named_with_the_ways_out(tmp_path: Path) -> None:
    pin = "printf 'Package: *pgvector*\\nPin: release *\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/none"
    podman_exec(VIRGIN, "sh", "-c", pin)
    before = footprint(VIRGIN)
    result = provision(tmp_path, host=VIRGIN).assert_failed(
        "no pgvector for PostgreSQL 17", "postgres_pgvector_repository", "vector_package", "vector_archive"
    )
    assert result.recap[VIRGIN]["changed"] == 0
    assert changes(before, footprint(VIRGIN)) == []
