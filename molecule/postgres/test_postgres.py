# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live server is what the inventory says, whatever happens to it; and it is restarted only when that is needed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.arguments import Watch
from support.footprint import changes, footprint
from support.playbooks import (
    DEMO_APP,
    Result,
    address,
    container,
    podman_exec,
    reboot,
    run_playbook,
    start_playbook,
    write_inventory,
)

HOST, VIRGIN = "postgres", "nopostgres"
POOLED = ("postgres", "pgbouncer")
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


ALLOWED: dict[str, Any] = {"postgres_pgvector_restart": "when_required"}


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


def provision(
    directory: Path, postgres: Mapping[str, Any] | None = None, check: bool = False, **options: Any
) -> Result:
    return run_playbook("provision", inventory(directory, postgres, **options), check=check)


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


def login(
    user: str,
    password: str,
    statement: str = "SELECT 1",
    database: str = "shop",
    port: int = 5432,
    host: str = "127.0.0.1",
    sslmode: str = "prefer",
) -> str:
    """Log in over TCP as an app does; return what the server answers, its refusals included."""
    url = f"postgresql://{user}:{password}@{host}:{port}/{database}?sslmode={sslmode}"
    done = podman_exec(HOST, "psql", "-XAtq", url, "-c", statement, check=False)
    return (done.stdout + done.stderr).strip()


def started() -> str:
    return sql("SELECT pg_postmaster_start_time()", "postgres")


def setting(name: str) -> str:
    return sql(f"SHOW {name}", "postgres")


# Runs cost time, so a test says what it wants of the server and leaves it so: the next one's run takes it back.
@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Dry-run on a host that has none; install; run again; and make a table with vectors."""
    directory = inventory(tmp_path_factory.mktemp("first"), **ALLOWED)
    before = footprint(HOST)
    made = [run_playbook("provision", directory, check=True, diff=True).assert_ok()]
    assert changes(before, footprint(HOST)) == []
    made += [run_playbook("provision", directory).assert_ok() for _unused in range(2)]
    if sql("SELECT to_regclass('items')") == "":  # a host that was kept has it
        sql(VECTOR_TABLE)
    return made


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


def test_a_dry_run_shows_it_all_and_a_second_run_changes_nothing(runs: list[Result]) -> None:
    dry, _first, second = runs
    assert "+shared_buffers = " in dry.stdout and "+host shop shop 127.0.0.1/32 scram-sha-256" in dry.stdout
    assert second.recap[HOST]["changed"] == 0


def test_the_app_may_do_what_apps_do_and_no_more() -> None:
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
    result = provision(tmp_path, webstack_overrides={"postgres.work_mem_kb": 3456}, **ALLOWED).assert_ok()
    assert setting("work_mem") == "3456kB"
    assert started() == before, "a restart that is allowed is not made for what needs none"
    assert result.recap[HOST]["changed"] == 2, "the file and the reload"
    assert work.communicate(timeout=60)[0].strip() == "|survived"


def test_a_restart_is_made_only_when_needed_and_allowed(tmp_path: Path) -> None:
    before, buffers = started(), setting("shared_buffers")
    others = {"max_locks_per_transaction": 96, "deadlock_timeout": "2s"}
    changed: dict[str, Any] = {
        "webstack_overrides": {"postgres.shared_buffers_mb": 200},
        "postgres_pgvector_settings": others,
    }
    result = provision(tmp_path, **changed).assert_ok()
    assert "wait for a restart" in result.said and "200MB" in result.said and "→ 96" in result.said
    assert (started(), setting("shared_buffers"), setting("deadlock_timeout")) == (before, buffers, "2s")
    run_playbook("verify", tmp_path).assert_failed("WRONG", "shared_buffers", "only a restart applies it")
    provision(tmp_path, **changed, **ALLOWED).assert_ok()
    assert started() != before and setting("shared_buffers") == "200MB"
    after = started()
    result = provision(tmp_path).assert_ok()
    assert "max_locks_per_transaction (96 → its default)" in result.said, "what is no longer set waits as well"
    assert setting("deadlock_timeout") == "1s"
    run_playbook("verify", tmp_path).assert_failed("WRONG", "max_locks_per_transaction 96 instead of its default")
    assert started() == after
    provision(tmp_path, **ALLOWED).assert_ok()
    assert (setting("shared_buffers"), setting("max_locks_per_transaction")) == (buffers, "64")


def test_a_file_that_was_written_but_never_loaded_is_loaded(tmp_path: Path) -> None:
    """What a run leaves that was killed between the two."""
    podman_exec(HOST, "sed", "-i", "s/^work_mem = .*/work_mem = '3456kB'/", DROPIN)
    assert setting("work_mem") != "3456kB"
    provision(tmp_path, webstack_overrides={"postgres.work_mem_kb": 3456}).assert_ok()
    assert setting("work_mem") == "3456kB"


def test_a_rotated_password_reaches_the_server(tmp_path: Path) -> None:
    overrides = {"postgres.work_mem_kb": 3456}
    result = provision(tmp_path, {"password": "second"}, webstack_overrides=overrides).assert_ok()
    assert result.recap[HOST]["changed"] == 1
    assert login("shop", "second") == "1"
    assert "password authentication failed" in login("shop", "first")


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


def test_other_hosts_are_let_in_over_tls_alone_and_only_those_named(tmp_path: Path) -> None:
    own, allowed = address(HOST), ALLOWED
    assert "refused" in login("shop", "first", host=own)
    provision(tmp_path, webstack_postgres_clients=[own], groups=POOLED, **allowed).assert_ok()
    for port, refusal in ((5432, "no pg_hba.conf entry"), (6432, "no authentication method is found")):
        assert login("shop", "first", host=own, port=port, sslmode="require") == "1"
        assert refusal in login("shop", "first", host=own, port=port, sslmode="disable")
    # The other app hosts of the inventory are those that may come; --limit leaves them in it.
    inventory(tmp_path, **allowed)
    hosts = json.loads((tmp_path / "hosts.yml").read_text())
    hosts["all"]["children"]["app"] = {"hosts": {VIRGIN: {"webstack_address": "192.0.2.7"}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    run_playbook("provision", tmp_path, limit="postgres").assert_ok()
    assert "no pg_hba.conf entry" in login("shop", "first", host=own, sslmode="require")
    lines = podman_exec(HOST, "grep", "^host", HBA).stdout.splitlines()
    assert [line for line in lines if line.startswith("hostssl")] == ["hostssl shop shop 192.0.2.7/32 scram-sha-256"]
    assert all(line.split()[3] in ("127.0.0.1/32", "::1/128", "192.0.2.7/32") for line in lines)
    provision(tmp_path, **allowed).assert_ok()
    assert "refused" in login("shop", "first", host=own)


def test_a_rebooted_host_serves_as_before(tmp_path: Path) -> None:
    inventory(tmp_path)
    reboot(HOST)
    assert login("shop", "first", "SELECT count(*) FROM items") == "3000"
    run_playbook("verify", tmp_path).assert_ok()


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


def test_what_a_build_left_is_built_anew_and_what_has_no_table_waits(tmp_path: Path) -> None:
    cut, later = {"table": "items", "name": "cut"}, {"table": "later"}
    wanted = {"indexes": [{"column": "embedding", **one} for one in (cut, later)]}
    sql("CREATE INDEX cut_building ON items USING hnsw (embedding vector_cosine_ops)")
    sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'cut_building'::regclass")
    assert "Indexes are declared on later" in provision(tmp_path, wanted).assert_ok().said
    assert (
        sql("SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid = oid WHERE relname ~ 'cut'")
        == "cut|t"
    )
    sql("DROP INDEX cut")


BUILDING = "SELECT index_relid FROM pg_stat_progress_create_index WHERE datname = 'shop' AND phase <> 'initializing'"


def test_an_index_that_is_being_built_for_a_dead_run_is_taken_up(tmp_path: Path) -> None:
    sql(
        "SET ROLE shop_owner; CREATE TABLE many (embedding vector(64)); INSERT INTO many "
        "SELECT (SELECT array_agg(sin(n * k))::vector FROM generate_series(1, 64) k) FROM generate_series(1, 12000) n"
    )
    wanted = {"indexes": [{"table": "many", "column": "embedding", "m": 24, "ef_construction": 200}]}
    run = start_playbook("provision", inventory(tmp_path, wanted))
    deadline = time.monotonic() + 240
    while not (building := sql(BUILDING)):
        assert time.monotonic() < deadline and run.poll() is None, run.communicate()
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert sql(BUILDING) == building, "the server goes on"
    provision(tmp_path, wanted).assert_ok()
    found = sql("SELECT indexrelid, indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'many'::regclass")
    assert found == f"{building}|many_embedding_hnsw|t", "not built a second time"
    sql("DROP TABLE many")


def test_a_disk_that_fills_up_while_an_index_is_built_leaves_nothing_of_it(tmp_path: Path) -> None:
    """The index goes to the small disk by the role's own default."""
    podman_exec(HOST, "sh", "-c", "rm -rf /small/* && install -d -o postgres -m 0700 /small/space")
    sql("CREATE TABLESPACE small LOCATION '/small/space'")
    sql("ALTER ROLE postgres IN DATABASE shop SET default_tablespace = small")
    podman_exec(
        HOST, "sh", "-c", "fallocate -l $(( $(df --output=avail -B1 /small | tail -1) - 200000 )) /small/filler"
    )
    wanted = {"indexes": [{"table": "items", "column": "embedding", "name": "large", "method": "ivfflat", "lists": 20}]}
    try:
        provision(tmp_path, wanted).assert_failed("large of shop was not built", "No space left on device")
        assert sql("SELECT relname FROM pg_class WHERE relname ~ '^large'") == ""
        assert login("shop", "first", "SELECT count(*) FROM items") == "3000"
        podman_exec(HOST, "rm", "/small/filler")
        provision(tmp_path, wanted).assert_ok()
        live = "SELECT relname, reloptions, indisvalid FROM pg_class JOIN pg_index ON indexrelid = oid "
        assert sql(f"{live} WHERE relname ~ '^large'") == "large|{lists=20}|t"
    finally:
        sql("ALTER ROLE postgres IN DATABASE shop RESET default_tablespace; DROP INDEX IF EXISTS large, large_building")
        sql("DROP TABLESPACE small")
        podman_exec(HOST, "sh", "-c", "rm -rf /small/*")


# What goes wrong


def test_an_invalid_setting_is_found_before_anything_is_replaced(tmp_path: Path) -> None:
    """One that is only wrong beside others: replicas cannot follow a server that logs the minimum."""
    before, file = started(), podman_exec(HOST, "cat", DROPIN).stdout
    invalid = {"postgres_pgvector_settings": {"wal_level": "minimal"}, **ALLOWED}
    for dry in (True, False):
        provision(tmp_path, check=dry, **invalid).assert_failed("would not start", "wal_level")
    assert (started(), podman_exec(HOST, "cat", DROPIN).stdout) == (before, file)


@pytest.mark.parametrize("line", ["shared_buffers = '900GB'", "shared_bufers = '1GB'"])
def test_what_postgresql_would_not_start_with_is_told_with_its_own_words(line: str) -> None:
    podman_exec(HOST, "sh", "-c", f'echo "{line}" > /root/candidate.conf')
    judge = ["python3", "-I", "/usr/local/sbin/webstack-postgres", "judge", "17", "main", "/root/candidate.conf"]
    refused = podman_exec(HOST, *judge, check=False)
    assert refused.returncode == 1 and "would not start" in refused.stderr and line.split()[0] in refused.stderr


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
    assert run_playbook("provision", tmp_path, check=True).assert_ok().recap[HOST]["changed"] > 0
    assert podman_exec(HOST, "systemctl", "is-active", UNIT, check=False).stdout != "active\n"
    provision(tmp_path, **ALLOWED).assert_ok()
    run_playbook("verify", tmp_path).assert_ok()


# Each is looked for before those above it, so it is found while they are still there.
DRIFT = {
    "inside": (
        "REVOKE SELECT ON items FROM shop; GRANT TRUNCATE ON items TO shop; DROP EXTENSION vector CASCADE",
        ("GRANT SELECT", "REVOKE TRUNCATE", "no extension vector"),
    ),
    "around": (
        "ALTER ROLE shop SUPERUSER; ALTER DATABASE shop OWNER TO postgres; GRANT CONNECT ON DATABASE shop TO PUBLIC",
        ("role shop", "database shop", "REVOKE CONNECT"),
    ),
    "hba": (f"COPY (SELECT 'local all all trust') TO PROGRAM 'cat >> {HBA}'", (HBA,)),
    "settings": (
        "ALTER SYSTEM SET work_mem = '9MB'; SELECT pg_reload_conf(), pg_sleep(1)",
        ("work_mem", "postgresql.auto.conf"),
    ),
}


def test_verify_finds_drift_and_provision_heals_it(tmp_path: Path) -> None:
    inventory(tmp_path)
    for statements, words in DRIFT.values():
        for statement in statements.split("; "):
            sql(statement)
        run_playbook("verify", tmp_path).assert_failed("WRONG", *words)
    provision(tmp_path).assert_failed("ALTER SYSTEM RESET", "work_mem")
    sql("ALTER SYSTEM RESET work_mem")
    provision(tmp_path).assert_ok()
    assert login("shop", "first", "SELECT 1 FROM items LIMIT 1") == "1"
    sql("DROP TABLE items")
    sql(VECTOR_TABLE)


# Backups


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program that backs up and restores, as the timer does."""
    command = ["runuser", "-u", "postgres", "--", "python3", "-I", "/usr/local/sbin/webstack-postgres", *arguments]
    return podman_exec(HOST, *command, check=False)


def fingerprint(database: str = "shop") -> dict[str, str]:
    """Return what must be the same after a restore: rows, indexes, grants, extensions, settings."""
    queries = {
        "rows": "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM items t",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "grants": "SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relname ~ '^items' ORDER BY 1",
        "future grants": "SELECT defaclrole::regrole, defaclobjtype, defaclacl FROM pg_default_acl ORDER BY 1, 2",
        "extensions": "SELECT extname, extversion FROM pg_extension ORDER BY 1",
        "next id": "SELECT last_value FROM items_id_seq",
        "database": "SELECT datdba::regrole, encoding, datcollate, (SELECT array_agg(a::text ORDER BY a::text) "
        "FROM unnest(datacl) a) FROM pg_database WHERE datname = current_database()",
        "settings": "SELECT setconfig FROM pg_db_role_setting, pg_database d "
        "WHERE d.oid = setdatabase AND datname = current_database()",
        "roles": "SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname ~ '^shop' ORDER BY 1",
    }
    return {name: sql(query, database) for name, query in queries.items()}


# What the tests of backups have on the server.
SAVED = {"indexes": [{"table": "items", "column": "embedding"}], "settings": {"hnsw.ef_search": 55}}


def test_a_dropped_database_comes_back_as_it_was(tmp_path: Path) -> None:
    provision(tmp_path, SAVED).assert_ok()
    run_playbook("backup", tmp_path).assert_ok()
    before = fingerprint()
    assert "hnsw" in before["indexes"] and "shop" in before["grants"]
    sql("DROP DATABASE shop WITH (FORCE)", "postgres")
    for role in ("shop", "shop_owner"):
        sql(f"DROP ROLE {role}", "postgres")
    what = {"postgres_restore": "latest", "database": "shop"}
    assert "would be restored" in run_playbook("restore", tmp_path, what, check=True).assert_ok().stdout
    assert sql("SELECT count(*) FROM pg_database WHERE datname ~ '^shop'", "postgres") == "0"
    result = run_playbook("restore", tmp_path, what).assert_ok()
    assert "shop is restored from" in result.stdout
    assert fingerprint() == before
    assert login("shop", "first", "SELECT count(*) FROM items") == "3000"
    assert provision(tmp_path, SAVED).assert_ok().recap[HOST]["changed"] == 0


def test_a_restore_in_place_keeps_what_was_there_and_one_beside_touches_nothing(tmp_path: Path) -> None:
    """Of the backup that the test before has taken and restored."""
    inventory(tmp_path)
    before = fingerprint()
    sql("DELETE FROM items WHERE id % 2 = 0")
    broken = fingerprint()
    beside = {"postgres_restore": "latest", "database": "shop", "beside": "shop_copy"}
    run_playbook("restore", tmp_path, beside).assert_ok()
    assert fingerprint("shop_copy") == before and fingerprint() == broken
    refused = tool("restore", "/var/backups/webstack-postgres", "shop", "--as", "shop_copy")
    assert refused.returncode == 1 and "there is a database shop_copy" in refused.stderr
    sql("DROP DATABASE shop_copy", "postgres")
    # Whoever comes back at once must not keep it from changing its name.
    again = "while :; do psql -XAtq postgresql://shop:first@127.0.0.1/shop -c 'SELECT pg_sleep(9)'; done 2>/dev/null"
    with subprocess.Popen(["podman", "exec", container(HOST), "timeout", "600", "sh", "-c", again]) as others:
        result = run_playbook("restore", tmp_path, {"postgres_restore": "latest", "database": "shop"}).assert_ok()
        podman_exec(HOST, "pkill", "-f", "[w]hile :; do psql")
        others.wait(timeout=60)
    assert fingerprint() == before
    kept = sql("SELECT datname FROM pg_database WHERE datname ~ '^shop_before_' ORDER BY 1 DESC LIMIT 1", "postgres")
    assert kept in result.stdout
    sql(f"ALTER DATABASE {kept} ALLOW_CONNECTIONS true", "postgres")
    assert sql("SELECT count(*) FROM items", kept) == "1500"
    sql(f"DROP DATABASE {kept}", "postgres")


def test_a_backup_under_load_is_one_moment() -> None:
    directory = "/var/lib/postgresql/load"
    podman_exec(HOST, "install", "-d", "-o", "postgres", "-m", "0700", directory)
    sql("CREATE TABLE IF NOT EXISTS pairs (n int); GRANT ALL ON pairs TO shop_owner")
    writer = "SELECT 'INSERT INTO pairs VALUES (1), (-1)' FROM generate_series(1, 6000) \\gexec"
    load = subprocess.Popen(
        ["podman", "exec", "-i", container(HOST), "runuser", "-u", "postgres", "--", "psql", "-Xq", "-d", "shop"],
        stdin=subprocess.PIPE,
        text=True,
    )
    assert load.stdin is not None
    load.stdin.write(writer + "\n")
    load.stdin.close()
    done = tool("backup", directory, "--keep", "1")
    load.wait(timeout=120)
    assert done.returncode == 0, done.stderr
    assert tool("restore", directory, "shop", "--as", "shop_load").returncode == 0
    assert sql("SELECT sum(n), count(*) % 2 FROM pairs", "shop_load") == "0|0"
    sql("DROP DATABASE shop_load", "postgres")
    sql("DROP TABLE pairs")


def test_old_backups_go_when_a_new_one_is_proved_and_damaged_ones_are_refused() -> None:
    directory = "/var/lib/postgresql/kept"
    podman_exec(HOST, "install", "-d", "-o", "postgres", "-m", "0700", directory)
    for _unused in range(3):
        done = tool("backup", directory, "--keep", "2")
        assert done.returncode == 0, done.stderr
        podman_exec(HOST, "sleep", "1")
    lines = tool("list", directory).stdout.splitlines()
    assert len(lines) == 2 and all(line.split()[1:] == ["proved", "shop"] for line in lines)
    newest = lines[-1].split()[0]
    podman_exec(HOST, "sh", "-c", f"printf x | dd of={directory}/{newest}/shop.dump bs=1 seek=300 conv=notrunc")
    refused = tool("restore", directory, "shop")
    assert refused.returncode == 1 and "damaged" in refused.stderr
    assert sql("SELECT count(*) FROM items") == "3000"
    assert tool("restore", directory, "shop", "--backup", lines[0].split()[0], "--as", "older").returncode == 0
    sql("DROP DATABASE older", "postgres")
    files = podman_exec(HOST, "find", directory, "-type", "f", "-perm", "/077", "-name", "*.*").stdout
    assert files.replace(f"{directory}/.lock", "").strip() == ""


def test_a_backup_that_cannot_be_restored_is_none(tmp_path: Path) -> None:
    """A constraint that only holds with the search path of people: it is dumped, and fails when restored."""
    sql("CREATE TABLE other (n int); INSERT INTO other VALUES (1)")
    sql("CREATE FUNCTION known(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 IN (SELECT n FROM other)'")
    sql("CREATE TABLE picky (n int CHECK (known(n))); INSERT INTO picky VALUES (1)")
    before = tool("list", "/var/backups/webstack-postgres").stdout
    inventory(tmp_path, SAVED)
    try:
        run_playbook("backup", tmp_path).assert_failed("There is no new backup", "pg_restore")
        assert tool("list", "/var/backups/webstack-postgres").stdout == before
        run_playbook("verify", tmp_path).assert_failed("WRONG", "The last backup failed")
    finally:
        sql("DROP TABLE picky; DROP FUNCTION known; DROP TABLE other")
    podman_exec(HOST, "systemctl", "start", "webstack-postgres-backup.service")


def test_a_disk_that_fills_up_leaves_the_older_backups(tmp_path: Path) -> None:
    podman_exec(HOST, "sh", "-c", "rm -rf /small/*")
    podman_exec(HOST, "chown", "postgres", "/small")
    podman_exec(HOST, "chmod", "0700", "/small")
    assert tool("backup", "/small").returncode == 0
    before = tool("list", "/small").stdout
    sql("CREATE TABLE big AS SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 700000)")
    try:
        done = tool("backup", "/small")
        assert done.returncode == 1 and "No space left on device" in done.stderr
        assert tool("list", "/small").stdout == before
        assert podman_exec(HOST, "ls", "/small").stdout.split() == [before.split()[0]]
        podman_exec(HOST, "sh", "-c", "cat /dev/zero > /small/filler || true")
        refused = tool("backup", "/small")
        assert refused.returncode == 1 and "needed for a backup" in refused.stderr
    finally:
        podman_exec(HOST, "rm", "-f", "/small/filler")
        sql("DROP TABLE big")
    assert login("shop", "first") == "1"


def test_backups_are_scheduled() -> None:
    assert "webstack-postgres-backup.timer" in podman_exec(HOST, "systemctl", "list-timers").stdout
    assert podman_exec(HOST, "systemctl", "is-enabled", "webstack-postgres-backup.timer").stdout.strip() == "enabled"


# PgBouncer


def console(command: str) -> str:
    base = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-h", "/var/run/postgresql", "-p", "6432"]
    return podman_exec(HOST, *base, "-U", "pgbouncer", "-c", command, "pgbouncer").stdout


def test_pgbouncer_pools_with_the_same_passwords_and_follows_the_inventory(tmp_path: Path) -> None:
    provision(tmp_path, groups=POOLED, **ALLOWED).assert_ok()
    assert login("shop", "first", "SELECT count(*) FROM items", port=6432) == "3000"
    assert "SASL authentication failed" in login("shop", "wrong", port=6432)
    assert "no authentication method is found" in login("shop", "first", database="postgres", port=6432)
    assert provision(tmp_path, groups=POOLED).assert_ok().recap[HOST]["changed"] == 0
    started_at = podman_exec(HOST, "systemctl", "show", "pgbouncer", "-p", "MainPID").stdout
    changed = {"pgbouncer.default_pool_size": 7}
    provision(tmp_path, {"password": "second"}, groups=POOLED, webstack_overrides=changed).assert_ok()
    assert "default_pool_size|7|" in console("SHOW CONFIG")
    assert login("shop", "second", port=6432) == "1"
    assert "SASL authentication failed" in login("shop", "first", port=6432)
    assert podman_exec(HOST, "systemctl", "show", "pgbouncer", "-p", "MainPID").stdout == started_at
    podman_exec(HOST, "systemctl", "stop", "pgbouncer")
    run_playbook("verify", tmp_path).assert_failed("WRONG", "PgBouncer does not answer")
    provision(tmp_path, groups=POOLED).assert_ok()
    assert login("shop", "first", port=6432) == "1"


# Secrets


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Rotate to the canary with the server logging all that it is told, and Ansible saying all that it knows."""
    directory = tmp_path_factory.mktemp("canary")
    options: dict[str, Any] = {"postgres_pgvector_settings": {"log_statement": "all", "log_parameter_max_length": "-1"}}
    inventory(directory, {"password": CANARY, "owner_password": f"{CANARY}owner"}, **options, **ALLOWED)
    with Watch(CANARY) as watch:
        found = [
            run_playbook(name, directory, check=check, diff=True, verbosity=3).assert_ok()
            for name, check in (("provision", True), ("provision", False), ("verify", False), ("backup", False))
        ]
    watch.assert_nobody_saw_it()
    assert login("shop", CANARY) == "1" and login("shop_owner", f"{CANARY}owner") == "1"
    return found


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


# A host whose distribution has no pgvector


def test_a_distribution_without_pgvector_is_named_with_the_ways_out(tmp_path: Path) -> None:
    before = footprint(VIRGIN)
    result = provision(tmp_path, host=VIRGIN).assert_failed(
        "no pgvector for PostgreSQL 15", "postgres_pgvector_repository", "vector_package", "vector_archive"
    )
    assert result.recap[VIRGIN]["changed"] == 0
    assert changes(before, footprint(VIRGIN)) == []
