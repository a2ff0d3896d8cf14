# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live server is what the inventory and the plan say, through changes, mistakes, faults, a reboot and a restore."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.arguments import Watch
from support.footprint import changes, footprint
from support.playbooks import (
    CHECKOUT,
    Result,
    clean_environment,
    container,
    podman_exec,
    reboot,
    run_playbook,
    write_inventory,
)

HOST = "mysql"
UNIT = "mariadb.service"
DROP_IN = "/etc/mysql/mariadb.conf.d/99-webstack.cnf"
BACKUPS = "/var/backups/webstack/mysql"
# In every password of these tests, and looked for where it must not be.
CANARY = f"canary{secrets.token_hex(8)}"
PASSWORD, OTHER = f"{CANARY}'\"one", f"{CANARY}\\two"
OVERRIDES = {"mysql.max_connections": 44, "mysql.innodb_buffer_pool_size_mb": 128, "mysql.performance_schema": False}

SHOP = """
CREATE DATABASE shop; USE shop;
CREATE TABLE users (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(200) NOT NULL, bio TEXT, country CHAR(2),
  KEY idx_country (country)) ENGINE=InnoDB;
INSERT INTO users (email, bio, country)
  SELECT CONCAT('user', seq, '@example.test'), REPEAT('x', 50), ELT(1 + seq % 4, 'es', 'de', 'fr', 'it')
  FROM seq_1_to_20000;
CREATE TABLE views (id BIGINT PRIMARY KEY AUTO_INCREMENT, user_id INT NOT NULL, video_id INT NOT NULL,
  seconds INT NOT NULL, created_at DATETIME NOT NULL,
  CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES users(id)) ENGINE=InnoDB;
INSERT INTO views (user_id, video_id, seconds, created_at)
  SELECT 1 + (seq * 7919) % 20000, (seq * 104729) % 5000, seq % 600, '2026-01-01' + INTERVAL seq SECOND
  FROM seq_1_to_600000;
CREATE TABLE odd (`a b` INT PRIMARY KEY, data BLOB, text VARCHAR(50) CHARACTER SET latin1, j JSON, d DOUBLE);
INSERT INTO odd VALUES (1, UNHEX('00FF27220A0D1A5C'), 'ñandú\\n(2', '{"a": [1]}', 0.1), (2, NULL, '', NULL, -0.0);
CREATE VIEW many AS SELECT user_id, COUNT(*) AS n FROM views GROUP BY user_id;
CREATE TRIGGER lower_case BEFORE INSERT ON users FOR EACH ROW SET NEW.email = LOWER(NEW.email);
CREATE PROCEDURE one() SELECT 1;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM views WHERE id < 0;
ANALYZE TABLE users, views;
"""
INDEXES = [
    {"table": "views", "columns": ["user_id", "created_at"]},
    {"table": "views", "columns": ["video_id", "seconds"]},
    {"table": "users", "columns": ["email(20)"]},
    {"table": "users", "columns": ["country", "id"]},
    {"table": "users", "columns": ["bio(10)"]},
]
QUERIES = [
    {"name": "of a video", "sql": "SELECT COUNT(*), SUM(seconds) FROM views WHERE video_id = %s", "params": [4000]},
    {"name": "login", "sql": "SELECT id FROM users WHERE email = 'user777@example.test'", "max_ms": 1e9},
    {"name": "whole", "sql": "SELECT COUNT(*) FROM users WHERE bio LIKE '%y%'"},
]
WANTED = {"database": "shop", "indexes": INDEXES, "queries": QUERIES, "runs": 8, "min_free_percent": 1}
VIDEO, EMAIL, BIO = "idx_views_video_id_seconds", "idx_users_email", "idx_users_bio"
MARK = "/* webstack mysql_indexes"


def shell(command: str, check: bool = True) -> str:
    return podman_exec(HOST, "sh", "-c", command, check=check).stdout


def sql(statement: str, *options: str) -> str:
    """Ask the live server, as root through its socket."""
    command = ["podman", "exec", "-i", container(HOST), "mariadb", "--batch", "--skip-column-names", *options]
    done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{statement[:200]}: {done.stderr}"
    return done.stdout.strip()


def variable(name: str) -> str:
    return sql(f"SELECT @@global.{name}")


def main_process() -> str:
    return shell(f"systemctl show {UNIT} --property=MainPID --value").strip()


def write(directory: Path, password: str = PASSWORD, **variables: Any) -> Path:
    users = [{"name": "shop", "password": password, "privileges": {"shop.*": "SELECT,INSERT"}}]
    overrides = {**OVERRIDES, **variables.pop("overrides", {})}
    everything = {
        "webstack_overrides": overrides,
        "mysql_tuning_install": True,
        "mysql_tuning_databases": [{"name": "notes"}],
        "mysql_tuning_users": users,
        "mysql_tuning_settings": {"wait_timeout": 600},
        "mysql_tuning_backup_keep": 2,
        **variables,
    }
    return write_inventory(directory, HOST, {"mysql": {"database": "blog"}}, groups=["mysql"], variables=everything)


def provision(directory: Path, **variables: Any) -> Result:
    return run_playbook("provision", write(directory, **variables))


def ansible(inventory: Path, module: str, options: Mapping[str, Any], *flags: str) -> subprocess.Popen[str]:
    """Start one module of this collection on the host."""
    name = f"rightsize.webstack.{module}"
    command = [str(Path(sys.executable).with_name("ansible")), "--inventory", str(inventory), HOST]
    return subprocess.Popen(
        [*command, "--module-name", name, "--args", json.dumps(options), *flags],
        cwd=CHECKOUT,
        env={**clean_environment(), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    stdout, stderr = process.communicate(timeout=300)
    assert " => {" in stdout, stdout + stderr
    result: dict[str, Any] = json.loads("{" + stdout.split(" => {", 1)[1])
    return {**result, "failed": process.returncode != 0, "shown": stdout}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


@pytest.fixture(scope="module", autouse=True)
def runs(inventory: Path) -> list[Result]:
    """Dry-run on a host without a server; install it; run again."""
    hosts = write(inventory)
    before = footprint(HOST)
    made = [run_playbook("provision", hosts, check=True, diff=True, verbosity=3).assert_ok()]
    assert changes(before, footprint(HOST)) == []
    with Watch(CANARY) as watch:
        made.append(run_playbook("provision", hosts, diff=True, verbosity=3).assert_ok())
    watch.assert_nobody_saw_it()
    made.append(run_playbook("provision", hosts, diff=True, verbosity=3).assert_ok())
    if "shop" not in databases():  # a host that was kept has it
        sql(SHOP)
    return made


@pytest.fixture
def indexes(inventory: Path) -> Any:
    """Run mysql_indexes with WANTED and what is given, and return its result."""

    def run(*flags: str, **options: Any) -> dict[str, Any]:
        return result_of(ansible(inventory, "mysql_indexes", {**WANTED, **options}, *flags))

    return run


# --- settings -------------------------------------------------------------------------------------------------------


def test_a_dry_run_and_a_second_run(runs: list[Result]) -> None:
    dry, first, second = runs
    assert "max_connections = 44" in dry.stdout
    assert first.recap[HOST]["changed"] > 0
    assert second.recap[HOST]["changed"] == 0


def test_the_live_server_has_the_plans_numbers() -> None:
    assert variable("max_connections") == "44"
    assert variable("innodb_buffer_pool_size") == str(128 << 20)
    assert variable("wait_timeout") == "600"
    assert variable("slow_query_log") == "1"
    assert variable("performance_schema") == "0"
    assert "deprecated" not in shell(f"journalctl --unit {UNIT} --output=cat").lower()


def test_slow_queries_are_logged() -> None:
    sql("SET SESSION long_query_time = 0; SELECT 'slow enough'")
    assert "slow enough" in shell("cat /var/log/mysql/slow.log")


def test_databases_and_users_are_there_with_no_more_than_they_were_given() -> None:
    assert {"notes", "blog"} <= set(sql("SHOW DATABASES").split())
    assert as_shop(PASSWORD, "SELECT COUNT(*) FROM shop.users") == "20000"
    assert as_shop(PASSWORD, "DELETE FROM shop.users") is None


def as_shop(password: str, statement: str) -> str | None:
    """Ask as the app's user; nothing when the server refuses. The password goes the way an app's does."""
    script = (
        "import json, sys, pymysql; password, statement = json.load(sys.stdin)\n"
        "c = pymysql.connect(user='shop', password=password, unix_socket='/run/mysqld/mysqld.sock').cursor()\n"
        "c.execute(statement); print(c.fetchone()[0])"
    )
    command = ["podman", "exec", "-i", container(HOST), "python3", "-c", script]
    done = subprocess.run(command, input=json.dumps([password, statement]), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def test_changed_values_reach_the_live_server_and_its_connections_never_notice(tmp_path: Path) -> None:
    process = main_process()
    with connection() as ask:
        before = ask("SELECT CONNECTION_ID();")
        changed = {
            "mysql.max_connections": 55,
            "mysql.innodb_buffer_pool_size_mb": 160,
            "mysql.performance_schema": True,
        }
        settings = {"wait_timeout": 700, "interactive_timeout": 700}
        result = provision(tmp_path, password=OTHER, overrides=changed, mysql_tuning_settings=settings).assert_ok()
        assert ask("SELECT CONNECTION_ID();") == before
    assert (variable("max_connections"), variable("innodb_buffer_pool_size")) == ("55", str(160 << 20))
    assert variable("interactive_timeout") == "700"
    assert main_process() == process, "nothing restarts that need not"
    assert result.recap[HOST]["changed"] == 2, "the settings and the user"
    assert "Only a restart of the server changes performance_schema." in result.stdout.replace("\n        ", " ")
    assert as_shop(OTHER, "SELECT 1") == "1" and as_shop(PASSWORD, "SELECT 1") is None


def test_what_waits_for_a_restart_is_restarted_when_that_is_allowed(tmp_path: Path, inventory: Path) -> None:
    process = main_process()
    allowed = {
        "overrides": {"mysql.performance_schema": True},
        "mysql_tuning_settings": {"wait_timeout": 600, "back_log": 70},
        "mysql_tuning_restart": "when_required",
    }
    provision(tmp_path, **allowed).assert_ok()
    assert (variable("performance_schema"), variable("back_log")) == ("1", "70") and main_process() != process
    assert variable("interactive_timeout") == "28800", "what is no longer set is what it was without us"
    process = main_process()
    assert provision(tmp_path, **allowed).assert_ok().recap[HOST]["changed"] == 0
    assert main_process() == process
    assert "back_log" in run_playbook("provision", inventory).assert_ok().said
    run_playbook("verify", inventory).assert_failed("WRONG  mysql", "back_log is 70, not", "performance_schema is ON")
    assert main_process() == process and variable("back_log") == "70"
    run_playbook("provision", write(inventory, mysql_tuning_restart="when_required")).assert_ok()
    assert variable("back_log") != "70" and main_process() != process
    write(inventory)


@contextlib.contextmanager
def connection() -> Iterator[Any]:
    """Hold one connection; calling it sends a statement on it and returns the one line of the answer."""
    command = ["podman", "exec", "-i", container(HOST), "mariadb", "--batch", "--skip-column-names", "--unbuffered"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    stdin, stdout = process.stdin, process.stdout

    def ask(line: str) -> str:
        stdin.write(f"{line}\n")
        stdin.flush()
        return stdout.readline().strip()

    yield ask
    stdin.close()
    process.wait(timeout=30)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_connections": 3}, ["max_connections", "adjusted to 10"]),
        ({"no_such_thing": 1}, ["unknown variable 'no_such_thing=1'"]),
        ({"innodb_flush_neighbors": "sometimes"}, ["innodb-flush-neighbors"]),
        ({"innodb_buffer_pool_instances": 8}, ["MariaDB 10.5.1", "leave it out"]),
        ({"slow_query_log_file": "/nowhere/at/all.log"}, ["no directory /nowhere on this host"]),
    ],
    ids=str,
)
def test_a_setting_that_the_server_would_not_take_is_refused_before_anything_is_touched(
    settings: dict[str, Any], words: list[str], inventory: Path
) -> None:
    before = shell(f"cat {DROP_IN}"), main_process(), sql("SHOW GLOBAL VARIABLES")
    plan = {
        "max_connections": 99,
        "innodb_buffer_pool_size_mb": 64,
        "innodb_log_file_size_mb": 48,
        "tmp_table_size_mb": 1,
    }
    plan.update({"innodb_io_capacity": 300, "table_open_cache": 99, "thread_cache_size": 9, "performance_schema": True})
    options = {"plan": plan, "settings": settings, "restart": "when_required"}
    failed = result_of(ansible(inventory, "mysql_settings", options))
    assert failed["failed"] and [word for word in words if word not in failed["msg"]] == []
    now = shell(f"cat {DROP_IN}"), main_process(), sql("SHOW GLOBAL VARIABLES")
    assert now[:2] == before[:2] and differing(before[2], now[2]) == set()


def differing(before: str, after: str) -> set[str]:
    """Return the lines of SHOW VARIABLES that differ, less what differs by itself."""
    return {line for line in set(before.splitlines()) ^ set(after.splitlines()) if "gtid" not in line}


def test_a_server_that_does_not_start_gets_its_old_settings_back(tmp_path: Path) -> None:
    """The parser takes this one, InnoDB does not: only starting shows it."""
    before = shell(f"cat {DROP_IN}")
    settings = {"innodb_data_file_path": "another:12M:autoextend"}
    options = {"mysql_tuning_settings": settings, "mysql_tuning_restart": "when_required"}
    provision(tmp_path, **options).assert_failed(
        "did not start with the new settings", "it runs again with the old ones", "| "
    )
    assert shell(f"cat {DROP_IN}") == before
    assert sql("SELECT COUNT(*) FROM shop.users") == "20000"


def test_a_server_that_is_down_is_named_or_started(tmp_path: Path, inventory: Path) -> None:
    shell(f"systemctl stop {UNIT}")
    provision(tmp_path, mysql_tuning_install=False).assert_failed(
        "no server answers on /run/mysqld/mysqld.sock", "systemctl"
    )
    verified = run_playbook("verify", inventory).assert_failed("WRONG  mysql", "no server answers")
    assert CANARY not in verified.stdout
    assert run_playbook("provision", inventory, check=True).assert_ok().recap[HOST]["changed"] > 0
    assert shell(f"systemctl is-active {UNIT}", check=False) == "inactive\n"
    run_playbook("provision", inventory).assert_ok()
    assert variable("max_connections") == "44"


def test_a_wrong_password_is_named_and_nothing_is_touched(tmp_path: Path) -> None:
    before = shell(f"cat {DROP_IN}")
    login = {"mysql_tuning_login_user": "shop", "mysql_tuning_login_password": f"{CANARY}-wrong"}
    result = provision(tmp_path, overrides={"mysql.max_connections": 50}, **login)
    result.assert_failed("refuses user 'shop'", "wrong password", "/root/.my.cnf")
    assert CANARY not in result.stdout + result.stderr
    assert shell(f"cat {DROP_IN}") == before


def test_verify_finds_what_somebody_changed(inventory: Path) -> None:
    run_playbook("verify", inventory).assert_ok()
    sql("SET GLOBAL max_connections = 50")
    run_playbook("verify", inventory).assert_failed("WRONG  mysql", "max_connections is 50, not 44")
    shell(f"echo 'max_connections = 51' >>{DROP_IN}")
    run_playbook("verify", inventory).assert_failed("WRONG  mysql", f"{DROP_IN} is not what")
    run_playbook("provision", inventory).assert_ok()
    run_playbook("verify", inventory).assert_ok()


# --- indexes --------------------------------------------------------------------------------------------------------


def definitions() -> str:
    """Return the tables' definitions, less what writing to them changes."""
    text = sql("SHOW CREATE TABLE shop.users; SHOW CREATE TABLE shop.views")
    return "\n".join(line.split(" AUTO_INCREMENT=")[0] for line in text.replace("\\n", "\n").splitlines())


def index_names(table: str) -> set[str]:
    return set(sql(f"SELECT index_name FROM information_schema.statistics WHERE table_name = '{table}'").split())


@pytest.fixture
def untouched(indexes: Any) -> Iterator[str]:
    """The tables as they were made; afterwards they are so again, and that is tested each time."""
    before = definitions()
    yield before
    back = indexes(state="rolled_back")
    assert not back["failed"], back
    assert definitions() == before
    assert indexes(state="rolled_back")["changed"] is False


def test_a_dry_run_shows_the_statements(untouched: str, indexes: Any) -> None:
    dry = indexes("--check", "--diff")
    assert dry["changed"] and definitions() == untouched
    assert dry["statements"][1] == (
        f"CREATE INDEX `{VIDEO}` ON `views` (`video_id`, `seconds`) ALGORITHM=NOCOPY LOCK=NONE"
    )
    assert f"users: KEY `{EMAIL}` (`email`(20))" in dry["shown"]
    assert shell("ls /var/lib/webstack/mysql_indexes", check=False) == ""


def test_indexes_are_created_proved_and_taken_back(untouched: str, indexes: Any) -> None:
    made = indexes()
    assert {"PRIMARY", VIDEO, "idx_views_user_id_created_at"} == index_names("views"), "fk_user went by itself"
    assert [found["index"] for found in made["satisfied"]] == ["idx_users_country_id"]
    assert made["improved"] == ["of a video", "login"] and made["queries"]["whole"]["verdict"] != "improved"
    video = made["queries"]["of a video"]
    assert video["before"]["rows_read"] > 600_000 and video["after"]["rows_read"] < 1000
    assert video["before"]["indexes"] == [] and video["after"]["indexes"] == [VIDEO]
    assert video["before"]["runs"] == 8 and video["before"]["median_ms"] <= video["before"]["p95_ms"]
    assert made["queries"]["login"]["met"] is True
    assert made["indexes"][VIDEO]["helped"] == ["of a video"] and made["indexes"][VIDEO]["size_mb"] > 1
    assert set(made["unused"]) == {BIO, "idx_views_user_id_created_at"}
    assert any("fk_user" in note for note in made["notes"])
    again = indexes()
    assert again["changed"] is False and again["queries"] == made["queries"]
    assert indexes("--check")["changed"] is False


def test_what_did_not_help_is_removed_and_not_tried_again(untouched: str, indexes: Any) -> None:
    made = indexes(keep="helpful")
    assert [text.split()[0] for text in made["removed"]] == ["idx_views_user_id_created_at", BIO]
    assert made["improved"] == ["of a video", "login"] and made["unused"] == []
    assert index_names("users") == {"PRIMARY", "idx_country", EMAIL}
    again = indexes(keep="helpful")
    assert again["changed"] is False and len([note for note in again["notes"] if "did not help" in note]) == 2
    assert indexes(keep="all")["changed"] is True
    assert BIO in index_names("users")


def test_what_others_made_meanwhile_stays(untouched: str, indexes: Any) -> None:
    indexes(queries=[])
    sql("CREATE INDEX mine ON shop.users (bio(5))")
    back = indexes(state="rolled_back")
    assert index_names("users") == {"PRIMARY", "idx_country", "mine"}
    assert any("mine on users was made by somebody else" in note for note in back["notes"])
    sql("DROP INDEX mine ON shop.users")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"indexes": [{"table": "nothing", "columns": ["id"]}]}, ["no table nothing", "users, views"]),
        ({"indexes": [{"table": "users", "columns": ["bio"]}]}, ["bio is text", "bio(50)"]),
        ({"indexes": [{"table": "many", "columns": ["n"]}]}, ["many is a view"]),
        ({"queries": [{"name": "q", "sql": "DELETE FROM users"}]}, ["queries: q: only SELECT is run"]),
        ({"queries": [{"name": "q", "sql": "SELECT nothing FROM users"}]}, ["queries: q: the server refuses it"]),
        ({"min_free_percent": 99.9}, ["must stay free", "min_free_percent"]),
        ({"database": "nowhere"}, ["no database 'nowhere'"]),
        ({"login_user": "shop", "login_password": "wrong"}, ["refuses user 'shop'"]),
        ({"login_unix_socket": "/run/nothing.sock"}, ["no server answers on /run/nothing.sock"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_touched(
    untouched: str, indexes: Any, options: dict[str, Any], words: list[str]
) -> None:
    for flags in ((), ("--check",)):
        refused = indexes(*flags, **options)
        assert refused["failed"] and [word for word in words if word not in refused["msg"]] == []
    assert definitions() == untouched


WRITER = """
import pymysql, time
where = {"unix_socket": "/run/mysqld/mysqld.sock", "database": "shop", "autocommit": True}
writer, looker = pymysql.connect(**where).cursor(), pymysql.connect(**where).cursor()
meanwhile, end = 0, time.monotonic() + 120
while time.monotonic() < end:
    looker.execute("SELECT state FROM information_schema.processlist WHERE info LIKE 'CREATE /* webstack%'")
    building = looker.fetchone()
    if meanwhile and not building:
        break
    writer.execute("INSERT INTO views (user_id, video_id, seconds, created_at) VALUES (1, 1, 1, NOW())")
    if building and "lock" not in (building[0] or "").lower():
        meanwhile += 1
print(meanwhile)
"""


def test_others_write_while_an_index_is_built(untouched: str, indexes: Any) -> None:
    command = ["podman", "exec", container(HOST), "python3", "-c", WRITER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        made = indexes(indexes=INDEXES[1:2], queries=[])
        meanwhile = int(writer.communicate(timeout=150)[0])
    assert not made["failed"] and meanwhile >= 10, f"{meanwhile} rows written meanwhile"


def test_a_table_that_is_held_is_given_up_soon_and_its_holder_named(untouched: str, indexes: Any) -> None:
    brief = {"lock_wait_timeout": 1, "lock_attempts": 2, "lock_pause": 1}
    with connection() as ask:
        me = ask("SELECT CONNECTION_ID();")
        ask("START TRANSACTION; SELECT COUNT(*) FROM shop.users WHERE id = 1;")
        started = time.monotonic()
        failed = indexes(indexes=INDEXES[1:3], **brief)
        assert failed["failed"] and f"connection {me} of root@localhost" in failed["msg"]
        assert "users is in use" in failed["msg"] and time.monotonic() - started < 60
        assert VIDEO in index_names("views"), "what was done before it stays"
        assert ask("COMMIT; SELECT 'still there';") == "still there"
    made = indexes(indexes=INDEXES[1:3], **brief)
    assert made["resumed"] and made["created"] == [f"{EMAIL} on users (email(20))"]
    assert made["queries"]["of a video"]["verdict"] == "improved", "against what was measured by the run before"


def test_a_disk_that_fills_up_while_the_server_builds_leaves_the_table_as_it_was(untouched: str, indexes: Any) -> None:
    """The server sorts in a directory of its own, here on the small disk."""
    small = "/var/backups/webstack/sort"
    shell(f"install -d -o mysql {small} && fallocate --length 62M /var/backups/webstack/filler")
    sql(f"SET GLOBAL innodb_tmpdir = '{small}'")
    try:
        failed = indexes(indexes=INDEXES[1:2], queries=[])
        assert failed["failed"] and "innodb_tmpdir" in failed["msg"], failed
        assert definitions() == untouched
    finally:
        shell(f"rm -r {small} /var/backups/webstack/filler")
        sql("SET GLOBAL innodb_tmpdir = DEFAULT")
    made = indexes(indexes=INDEXES[1:2], queries=[])
    assert not made["failed"] and VIDEO in index_names("views")


@pytest.mark.parametrize("module", ["killed as well", "left alone"])
def test_a_run_that_was_cut_off_while_the_server_builds_is_taken_up(
    untouched: str, indexes: Any, inventory: Path, module: str
) -> None:
    run = ansible(inventory, "mysql_indexes", WANTED)
    try:
        building = f"SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'CREATE {MARK}%{VIDEO}%'"
        deadline = time.monotonic() + 120
        while sql(building) == "0":
            assert time.monotonic() < deadline and run.poll() is None, run.communicate()
    finally:
        for member in [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        run.communicate()
    lock = "/var/lib/webstack/mysql_indexes/*.lock"
    if module == "killed as well":
        shell(f"fuser --kill -KILL {lock} || pkill -KILL -f '[A]nsiballZ_mysql_indexes|[m]ysql_indexes'", check=False)
    shell(f"flock --timeout 120 {lock} true")
    made = indexes()
    assert not made["failed"], made
    assert {VIDEO, EMAIL, BIO} <= index_names("views") | index_names("users")
    assert made["queries"]["of a video"]["before"]["indexes"] == [], "the first measurement counts"
    assert made["queries"]["of a video"]["verdict"] == "improved"
    assert made["resumed"] is (module == "killed as well")


# --- backups --------------------------------------------------------------------------------------------------------


def contents(database: str = "shop") -> str:
    """Return all that a database has, as text."""
    options = "--skip-dump-date --skip-comments --routines --triggers --events --hex-blob --order-by-primary"
    text = shell(f"mariadb-dump {options} {database} | sed 's/ AUTO_INCREMENT=[0-9]*//' | sha256sum")
    return text + sql(f"SELECT COUNT(*) FROM {database}.views")


def backups() -> list[str]:
    return sorted(shell(f"ls {BACKUPS} | grep -v before-restore", check=False).split())


def databases() -> set[str]:
    return set(sql("SHOW DATABASES").split())


@pytest.fixture(scope="module")
def backed_up(inventory: Path) -> Result:
    return run_playbook("backup", inventory).assert_ok()


def test_a_backup_is_proved_and_complete(backed_up: Result) -> None:
    assert "blog, notes, shop" in backed_up.stdout and "restored once to prove it" in backed_up.stdout
    (name,) = backups()
    manifest = json.loads(shell(f"cat {BACKUPS}/{name}/manifest.json"))
    assert manifest["databases"]["shop"]["tables"]["users"]["rows"] == 20000
    assert shell(f"stat -c %a {BACKUPS} {BACKUPS}/{name} {BACKUPS}/{name}/*").split() == ["700", "700", *["600"] * 6]
    assert not [database for database in databases() if database.startswith("webstack_proof_")]


def test_what_was_dropped_comes_back_identical(backed_up: Result, inventory: Path) -> None:
    before, grants = contents(), sql("SHOW GRANTS FOR shop@localhost")
    sql("DROP DATABASE shop; DROP USER shop@localhost")
    run_playbook("restore", inventory, {"mysql_restore": "latest"}).assert_failed("Which database?")
    run_playbook("restore", inventory, {"mysql_restore": "latest", "database": "shop"}, check=True).assert_ok()
    assert "shop" not in databases()
    run_playbook("restore", inventory, {"mysql_restore": "latest", "database": "shop"}).assert_ok()
    assert contents() == before and sql("SHOW GRANTS FOR shop@localhost") == grants
    assert as_shop(PASSWORD, "SELECT COUNT(*) FROM shop.odd") == "2"


def test_a_restore_keeps_what_was_there_and_passwords_that_were_changed_since(
    backed_up: Result, inventory: Path
) -> None:
    sql("DELETE FROM shop.odd; SET PASSWORD FOR shop@localhost = PASSWORD('newer')")
    run_playbook("restore", inventory, {"mysql_restore": "latest", "database": "shop"}).assert_ok()
    assert sql("SELECT COUNT(*) FROM shop.odd") == "2"
    sql("CREATE DATABASE was")
    shell(f"zcat {BACKUPS}/before-restore/shop.*.sql.gz | mariadb was")
    assert sql("SELECT COUNT(*) FROM was.odd") == "0" and as_shop("newer", "SELECT 1") == "1"
    sql("DROP DATABASE was")
    run_playbook("provision", inventory).assert_ok()


def test_a_restore_that_is_killed_half_way_is_run_again_and_nothing_is_lost(backed_up: Result, inventory: Path) -> None:
    before, folder = contents(), f"{BACKUPS}/before-restore"
    shell(f"rm -rf {folder}")
    loading = (
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'shop' AND info LIKE 'INSERT INTO `views`%'"
    )
    command = ["podman", "exec", container(HOST), "webstack-mysql", "restore", "latest", "--database", "shop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 120
        while sql(loading) == "0":
            assert time.monotonic() < deadline and run.poll() is None, run.communicate()
        shell("pkill -KILL -f '[w]ebstack-mysql restore'")
        run.communicate()
    run_playbook("restore", inventory, {"mysql_restore": "latest", "database": "shop"}).assert_ok()
    assert contents() == before
    whole, half = shell(f"ls {folder}").split()
    assert int(shell(f"zcat {folder}/{whole} | wc -l")) > int(shell(f"zcat {folder}/{half} | wc -l"))


def test_a_backup_comes_back_beside_what_is_there(backed_up: Result, inventory: Path) -> None:
    before = contents()
    extra = {"mysql_restore": backups()[-1], "database": "shop", "beside": "earlier"}
    run_playbook("restore", inventory, extra).assert_ok()
    assert sql("CHECKSUM TABLE earlier.views").split()[1] == sql("CHECKSUM TABLE shop.views").split()[1]
    assert sql("SHOW EVENTS FROM earlier") == "" and contents() == before
    run_playbook("restore", inventory, extra).assert_failed("earlier is there already")
    sql("DROP DATABASE earlier")


def test_a_full_disk_leaves_no_half_backup_and_the_older_ones(backed_up: Result, inventory: Path) -> None:
    before = backups()
    shell("fallocate --length $(( $(df --output=avail --block-size=1 /var/backups/webstack | tail -1) - 1000000 )) "
          "/var/backups/webstack/filler")  # fmt: skip
    try:
        run_playbook("backup", inventory).assert_failed("no backup was taken", "is full", "mysql_tuning_backup_keep")
    finally:
        shell("rm /var/backups/webstack/filler")
    assert backups() == before
    assert not [database for database in databases() if database.startswith("webstack_proof_")]


def test_the_timers_backup_works_cleans_up_and_keeps_as_many_as_asked(backed_up: Result) -> None:
    shell(f"mkdir {BACKUPS}/20200101T000000Z && touch {BACKUPS}/20200101T000000Z/shop.sql.gz")
    sql("CREATE DATABASE webstack_proof_shop")
    for _unused in range(2):
        shell("systemctl start webstack-mysql-backup.service")
    assert len(backups()) == 2 and "20200101T000000Z" not in backups()
    assert "webstack_proof_shop" not in databases()
    assert "webstack-mysql-backup.timer" in shell("systemctl list-timers --plain")
    assert len(shell("webstack-mysql list").splitlines()) == 2


def test_a_backup_that_was_damaged_is_not_restored(backed_up: Result, inventory: Path) -> None:
    newest = backups()[-1]
    shell(f"printf x | dd of={BACKUPS}/{newest}/shop.sql.gz bs=1 seek=99 conv=notrunc")
    before = contents()
    damaged = run_playbook("restore", inventory, {"mysql_restore": newest, "database": "shop"})
    damaged.assert_failed("SHA-256", "Nothing was changed")
    assert contents() == before
    shell(f"rm -r {BACKUPS}/{newest}")


# --- at the end -----------------------------------------------------------------------------------------------------


def test_after_a_reboot_all_is_as_it_was(inventory: Path) -> None:
    reboot(HOST)
    assert (variable("max_connections"), variable("wait_timeout")) == ("44", "600")
    run_playbook("verify", inventory).assert_ok()
    assert run_playbook("provision", inventory).assert_ok().recap[HOST]["changed"] == 0


def test_no_password_is_anywhere(runs: list[Result]) -> None:
    for result in runs:
        assert [line[:300] for line in (result.stdout + result.stderr).splitlines() if CANARY in line] == []
    assert CANARY not in podman_exec(HOST, "journalctl", "--no-pager", "--all", "--output=export").stdout
    places = ["/etc", "/opt", "/root", "/tmp", "/var", "/usr/local", "/run"]
    assert podman_exec(HOST, "grep", "-rlaF", "--devices=skip", CANARY, *places, check=False).stdout.split() == []
