# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live server is what the inventory and the plan say, through changes, mistakes, faults, a reboot and a restore."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from support.arguments import Watch
from support.footprint import changes, footprint
from support.playbooks import (
    DOMAIN,
    Result,
    address,
    container,
    podman_exec,
    reboot,
    run_playbook,
    start_playbook,
    variant,
    write_inventory,
)

HOST = "redis"
UNIT = "redis-server.service"
SOCKET = "/run/redis/redis-server.sock"
CONFIG, ACL_FILE, LOG = "/etc/redis/webstack.conf", "/etc/redis/webstack.acl", "/var/log/redis/redis-server.log"
ADMIN_PASSWORD = "/etc/webstack/redis-admin.password"
BACKUPS = "/var/backups/webstack/redis"
# In every password of these tests, and looked for where it must not be.
CANARY = f"canary{secrets.token_hex(8)}"
PASSWORD, OTHER = f"{CANARY}-one", f"{CANARY}-two"
SMALL = {"redis.maxmemory_mb": 64}
VARIABLES: dict[str, Any] = {"webstack_overrides": SMALL, "redis_backup_keep": 3}


def shell(command: str, check: bool = True) -> str:
    return podman_exec(HOST, "sh", "-c", command, check=check).stdout


def redis(*words: str, user: str = "webstack", password: str | None = None) -> str:
    """Ask the live server and return its answer, errors included."""
    environment = f"REDISCLI_AUTH={password or shell(f'cat {ADMIN_PASSWORD}').strip()}"
    command = ["env", environment, "redis-cli", "--no-auth-warning", "-s", SOCKET, "--user", user, *words]
    done = podman_exec(HOST, *command, check=False)
    return (done.stdout + done.stderr).strip()


def as_app(*words: str, password: str = PASSWORD) -> str:
    return redis(*words, user="demo", password=password)


def setting(name: str) -> str:
    return redis("CONFIG", "GET", name).partition("\n")[2]


def main_process() -> str:
    return shell(f"systemctl show {UNIT} --property=MainPID --value").strip()


def files() -> str:
    return shell(f"sha256sum {CONFIG} {ACL_FILE} /etc/systemd/system/{UNIT}.d/webstack.conf")


def write(directory: Path, variables: Mapping[str, Any] | None = None, password: str = PASSWORD, **app: Any) -> Path:
    entry = {"redis": {"password": password, **app.pop("redis", {})}, **app}
    return write_inventory(directory, HOST, entry, groups=["redis"], variables={**VARIABLES, **(variables or {})})


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """The usual inventory. Runs cost time: a test may leave another, and the next one's run takes it back."""
    return write(tmp_path / "good")


def forget() -> None:
    """Make a host that was kept from an earlier run what it was before."""
    units = f"{UNIT} valkey-server webstack-redis-backup.timer 'demo@*' demo"
    shell(f"systemctl disable --now {units} 2>/dev/null", check=False)
    shell("apt-get -qq purge -y 'redis-*' 'valkey-*' >/dev/null 2>&1", check=False)
    for name in ("redis", "valkey"):
        shell(f"rm -rf /etc/{name} /var/lib/{name} /var/log/{name} /etc/systemd/system/{name}-server.service.d")
    shell("rm -rf /etc/webstack /opt/webstack/redis /var/backups/webstack/* /etc/systemd/system/webstack-redis-*")
    shell("systemctl daemon-reload")


@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Dry-run on a host without Redis; take over a distribution's server that has data; run again."""
    forget()
    inventory = write(tmp_path_factory.mktemp("inventory"))
    before = footprint(HOST)
    made = [run_playbook("provision", inventory, check=True, diff=True, verbosity=3).assert_ok()]
    assert changes(before, footprint(HOST)) == []
    shell("apt-get -qq install -y --no-install-recommends redis-server >/dev/null 2>&1 && redis-cli SET demo:old kept")
    made.append(run_playbook("provision", inventory, diff=True, verbosity=3).assert_ok())
    made.append(run_playbook("provision", inventory, diff=True, verbosity=3).assert_ok())
    return made


@pytest.fixture
def healed(good: Path) -> Iterator[None]:
    """Let the next test find the host as the good inventory says."""
    yield
    run_playbook("provision", good).assert_ok()


@contextlib.contextmanager
def connection(password: str = PASSWORD) -> Iterator[Any]:
    """Hold one connection of the app; calling it sends a command on it and returns the one line of the answer."""
    command = ["podman", "exec", "-i", container(HOST), "env", f"REDISCLI_AUTH={password}", "redis-cli"]
    process = subprocess.Popen(
        [*command, "--no-auth-warning", "--user", "demo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    stdin, stdout = process.stdin, process.stdout

    def ask(line: str) -> str:
        stdin.write(f"{line}\n")
        stdin.flush()
        answers, _unused, _unused = select.select([stdout], [], [], 20)
        assert answers, f"no answer to {line} on this connection"
        return stdout.readline().strip()

    yield ask
    process.stdin.close()
    process.wait(timeout=10)


def test_a_dry_run_and_a_second_run(runs: list[Result]) -> None:
    dry, first, second = runs
    assert "maxmemory 64mb" in dry.stdout
    assert first.recap[HOST]["changed"] > 0
    assert second.recap[HOST]["changed"] == 0


def test_data_of_the_distributions_server_is_still_there() -> None:
    assert redis("GET", "demo:old") == "kept"
    assert setting("appendonly") == "yes"


def test_the_live_server_has_the_plans_numbers() -> None:
    assert setting("maxmemory") == str(64 << 20)
    assert setting("maxmemory-policy") == "noeviction"
    assert setting("bind") == "127.0.0.1 -::1"
    assert shell("grep -h ^MemoryMax= /etc/systemd/system/redis-server.service.d/webstack.conf").strip() == (
        f"MemoryMax={kernel_limit_mb()}M"
    )


def kernel_limit_mb() -> int:
    paths = (
        f"/sys/fs/cgroup/memory/system.slice/{UNIT}/memory.limit_in_bytes /sys/fs/cgroup/system.slice/{UNIT}/memory.max"
    )
    return int(shell(f"cat {paths} 2>&-", check=False)) >> 20


def test_an_app_gets_at_its_own_keys_alone() -> None:
    assert as_app("SET", "demo:a", "1") == "OK"
    assert as_app("PUBLISH", "demo:channel", "x") == "0"
    for words in (["GET", "other:a"], ["PUBLISH", "other", "x"], ["FLUSHALL"], ["CONFIG", "GET", "*"], ["ACL", "LIST"]):
        assert as_app(*words).startswith("NOPERM"), words
    nobody = podman_exec(HOST, "redis-cli", "PING", check=False)
    assert nobody.stdout.startswith("NOAUTH")


def test_changed_values_reach_the_live_server_and_its_connections_stay(tmp_path: Path) -> None:
    process = main_process()
    changed = {
        "webstack_overrides": {"redis.maxmemory_mb": 72},
        "redis_memory_max_mb": 333,
        "redis_settings": {"slowlog-max-len": 77, "save": "3600 1"},
    }
    inventory = write(tmp_path, changed, redis={"keys": ["demo:*", "celery*"]})
    with connection() as ask:
        before = ask("CLIENT ID")
        result = run_playbook("provision", inventory).assert_ok()
        assert ask("CLIENT ID") == before
        assert ask("SET celery-task 1") == "OK"
    assert (setting("maxmemory"), setting("slowlog-max-len"), setting("save")) == (str(72 << 20), "77", "3600 1")
    assert kernel_limit_mb() == 333
    assert main_process() == process
    assert result.recap[HOST]["changed"] == 1
    assert run_playbook("provision", inventory).assert_ok().recap[HOST]["changed"] == 0


def test_a_cache_and_a_store_without_a_restart(tmp_path: Path, good: Path) -> None:
    process = main_process()
    run_playbook("provision", write(tmp_path, {"redis_use": "cache"})).assert_ok()
    assert (setting("appendonly"), setting("maxmemory-policy")) == ("no", "allkeys-lfu")
    as_app("SET", "demo:between", "1")
    run_playbook("provision", good).assert_ok()
    assert (setting("appendonly"), setting("maxmemory-policy")) == ("yes", "noeviction")
    assert main_process() == process
    shell(f"systemctl restart {UNIT}")
    assert as_app("GET", "demo:between") == "1", "it is in the append-only file too"


def test_a_restart_only_where_needed_and_when_allowed(tmp_path: Path) -> None:
    process = main_process()
    as_app("SET", "demo:b", "2")
    waiting = write(tmp_path, {"redis_settings": {"io-threads": 2}, "redis_restart": "never"})
    result = run_playbook("provision", waiting).assert_ok()
    assert "Waits for a restart (redis_restart is never): io-threads is 1, wanted 2" in result.said
    assert (main_process(), setting("io-threads")) == (process, "1")
    assert run_playbook("provision", waiting).assert_ok().recap[HOST]["changed"] == 0
    run_playbook("verify", waiting).assert_failed("WRONG", "io-threads is 1, wanted 2")
    allowed = write(tmp_path, {"redis_settings": {"io-threads": 2}})
    result = run_playbook("provision", allowed).assert_ok()
    assert "Restarted: io-threads is 1, wanted 2" in result.said
    assert setting("io-threads") == "2"
    assert main_process() != process
    assert as_app("GET", "demo:b") == "2"


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "value": ({"redis_settings": {"maxmemory-policy": "nonsense"}}, ["'maxmemory-policy nonsense'", "must be one of"]),
    "address": ({"redis_bind": ["192.0.2.1"]}, ["192.0.2.1", "Cannot assign requested address"]),
    "password": ({"redis_users": [{"name": "a", "password": "short"}]}, ["users[1].password", "openssl rand"]),
    "certificate": (
        {"redis_tls": {"certificate": "/nowhere.crt", "key": "/nowhere.key", "host": "redis.example.test"}},
        ["/nowhere.crt"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_anything_is_touched(mistake: str, tmp_path: Path) -> None:
    variables, words = MISTAKES[mistake]
    before = (main_process(), files())
    run_playbook("provision", write(tmp_path, variables)).assert_failed(*words)
    assert (main_process(), files()) == before
    assert as_app("PING") == "PONG"


def test_a_start_that_fails_all_the_same_puts_the_old_configuration_back(tmp_path: Path) -> None:
    """The scratch server logs elsewhere, so it cannot see that this log cannot be opened."""
    before = files()
    bad = write(tmp_path, {"redis_settings": {"logfile": "/nowhere/redis.log"}})
    run_playbook("provision", bad).assert_failed(
        "did not start", "the old configuration is back, and it runs with that"
    )
    assert files() == before
    assert as_app("PING") == "PONG"


def test_a_limit_below_what_is_held_is_refused(tmp_path: Path) -> None:
    shell("head -c 20000000 /dev/zero | tr '\\0' x >/tmp/value")
    words = f"env REDISCLI_AUTH={PASSWORD} redis-cli --no-auth-warning --user demo -x SET demo:large </tmp/value"
    assert shell(words).strip() == "OK"
    small = write(tmp_path, {"webstack_overrides": {"redis.maxmemory_mb": 10}})
    run_playbook("provision", small).assert_failed("maxmemory would be 10 MB, and Redis holds", "noeviction")
    assert setting("maxmemory") == str(64 << 20)
    as_app("DEL", "demo:large")


def test_a_server_that_is_down_is_started_with_its_data(good: Path) -> None:
    as_app("SET", "demo:c", "kept")
    # Together, as the server writes them to its file: it asks for each whether who reads it back may do that.
    as_app("EVAL", "redis.call('SET', KEYS[1], 'kept') redis.call('SET', KEYS[2], 'kept')", "2", "demo:d", "demo:e")
    with connection() as ask:
        assert [ask("MULTI"), ask("SET demo:f kept"), ask("EXEC")] == ["OK", "QUEUED", "OK"]
    time.sleep(1.2)  # what a store may lose is the last second
    shell(f"systemctl kill --signal=KILL {UNIT}; systemctl stop {UNIT}")
    run_playbook("provision", good).assert_ok()
    assert as_app("MGET", "demo:c", "demo:d", "demo:e", "demo:f").split() == ["kept"] * 4


# As soon as there is a scratch server: stop it, so that there is time to kill the module that waits for it. Builtins
# alone, as such a server is there for a few hundredths of a second.
KILL_THE_MODULE = """
while :; do
    for file in /run/webstack-redis-*/pid; do
        [ -s $file ] && read -r scratch <$file && kill -STOP $scratch || continue
        while read -r name value; do
            [ $name = PPid: ] && kill -KILL $value
        done </proc/$scratch/status
        echo $scratch
        exit
    done
done
"""


def test_a_run_that_is_killed_is_made_good_and_leaves_no_server_of_its_own(tmp_path: Path) -> None:
    changed = {"webstack_overrides": {"redis.maxmemory_mb": 72}, "redis_settings": {"io-threads": 2}}
    inventory = write(tmp_path, changed)
    run = start_playbook("provision", inventory)
    scratch = podman_exec(HOST, "timeout", "240", "sh", "-c", KILL_THE_MODULE, check=False).stdout.strip()
    os.killpg(run.pid, signal.SIGKILL)
    told, _unused = run.communicate()
    assert scratch, f"no scratch server was seen: {told}"
    shell(f"timeout 20 tail --pid={scratch} -f /dev/null")
    assert as_app("PING") == "PONG" and setting("maxmemory") == str(64 << 20)
    run_playbook("provision", inventory).assert_ok()
    assert (setting("maxmemory"), setting("io-threads")) == (str(72 << 20), "2")
    run_playbook("verify", inventory).assert_ok()


RESTORE_HALF = """
import sys; sys.path.insert(0, "/opt/webstack/redis")
from pathlib import Path
from webstack.redis import data
data.make_fresh(Path(sys.argv[1]), Path("/var/lib/redis"), True, "redis")
data.change_places(Path("/var/lib/redis"))
"""


def test_a_restore_that_was_cut_off_is_taken_back(good: Path) -> None:
    """With its own first half: the server is stopped, what it had is aside, and nobody goes on."""
    path = backup(good)
    before = fill()
    shell(f"systemctl stop {UNIT}")
    podman_exec(HOST, "python3", "-c", RESTORE_HALF, path)
    run_playbook("provision", good).assert_ok()
    assert everything() == before
    assert shell("ls -A /var/lib/redis/.restore 2>&1", check=False).strip().endswith("No such file or directory")


def test_a_dump_alone_is_what_a_store_starts_with(good: Path) -> None:
    as_app("SET", "demo:dumped", "1")
    shell(f"webstack-redis backup && systemctl stop {UNIT} && rm -r /var/lib/redis/appendonlydir")
    run_playbook("provision", good).assert_ok()
    assert as_app("GET", "demo:dumped") == "1"


def test_a_lost_administrators_password_is_replaced(good: Path) -> None:
    shell(f"echo wrong >{ADMIN_PASSWORD}")
    run_playbook("verify", good).assert_failed("WRONG", "it refuses the password in")
    shell(f"rm {ADMIN_PASSWORD}")
    run_playbook("provision", good).assert_ok()
    assert redis("PING") == "PONG"
    assert as_app("PING") == "PONG"


def test_a_password_is_rotated_without_a_failed_command(tmp_path: Path) -> None:
    process = main_process()
    with connection() as ask:
        assert ask("PING") == "PONG"
        run_playbook("provision", write(tmp_path, password=OTHER)).assert_ok()
        assert ask("PING") == "PONG"
    assert as_app("PING", password=PASSWORD) == "PONG"
    assert as_app("PING", password=OTHER) == "PONG"
    run_playbook("provision", write(tmp_path, {"redis_previous_passwords": "revoke"}, password=OTHER)).assert_ok()
    assert "WRONGPASS" in as_app("PING", password=PASSWORD)
    assert as_app("PING", password=OTHER) == "PONG"
    assert main_process() == process


def test_a_user_who_is_gone_from_the_inventory_is_gone(tmp_path: Path, good: Path) -> None:
    run_playbook("provision", write(tmp_path, {"redis_users": [{"name": "guest", "password": OTHER}]})).assert_ok()
    assert redis("SET", "guest:a", "1", user="guest", password=OTHER) == "OK"
    run_playbook("provision", good).assert_ok()
    assert "WRONGPASS" in redis("PING", user="guest", password=OTHER)


# What somebody does by hand, and how it is told.
DRIFT = {
    "CONFIG SET maxmemory 1mb": "maxmemory is 1048576, wanted 67108864",
    "ACL SETUSER demo +@all": "user demo: has the rules",
    "ACL SETUSER stranger on nopass +@all": "user stranger: is not in the inventory",
}


def test_what_was_changed_by_hand_is_found_and_set_right_live(good: Path) -> None:
    process = main_process()
    for command in DRIFT:
        assert redis(*command.split()) == "OK"
    run_playbook("verify", good).assert_failed("WRONG", *DRIFT.values())
    run_playbook("provision", good).assert_ok()
    run_playbook("verify", good).assert_ok()
    assert main_process() == process


@pytest.mark.usefixtures("healed")
def test_changed_files_are_found(good: Path) -> None:
    shell(f"echo '# by hand' >>{CONFIG}; echo '# by hand' >>/etc/systemd/system/webstack-redis-backup.timer")
    run_playbook("verify", good).assert_failed("WRONG", f"{CONFIG} differs")
    shell(f"sed -i '/by hand/d' {CONFIG}")
    run_playbook("verify", good).assert_failed("WRONG", "backups are not scheduled as the inventory says")


def fill() -> str:
    """Give the server keys of every type, some with a time to live, and return what it has."""
    lines = [f"SET demo:text:{number} value-{number}" for number in range(300)]
    lines += ["EXPIRE demo:text:7 86400", "HSET demo:hash a 1 b 2", "RPUSH demo:list x y z", "SADD demo:set p q"]
    lines += ["ZADD demo:sorted 1 one 2 two", "XADD demo:stream 1-1 field value", 'SET demo:bytes "\\x00\\xff\\r\\n"']
    command = f"env REDISCLI_AUTH={PASSWORD} redis-cli --no-auth-warning --user demo"
    subprocess.run(
        ["podman", "exec", "-i", container(HOST), *command.split()],
        input="\n".join(lines) + "\n",
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return everything()


def everything() -> str:
    """Return every key of the server with its value as the server serializes it, and when it expires."""
    script = (
        "local found = {} for _, key in ipairs(redis.call('KEYS', '*')) do found[#found + 1] = key .. ' ' .. "
        "redis.sha1hex(redis.call('DUMP', key)) .. ' ' .. redis.call('EXPIRETIME', key) end "
        "table.sort(found) return found"
    )
    return redis("EVAL", script, "0")


def backup(inventory: Path) -> str:
    run_playbook("backup", inventory).assert_ok()
    return shell(f"ls {BACKUPS}/*.rdb").split()[-1]


def test_backup_delete_restore_is_identical(good: Path) -> None:
    before = fill()
    assert before.count("\n") > 300
    path = backup(good)
    assert f"{Path(path).name}: OK" in shell(f"cd {BACKUPS} && sha256sum --check {Path(path).name}.sha256")
    assert shell(f"stat -c %a:%U {BACKUPS} {path}").split() == ["700:root", "600:root"]
    redis("FLUSHALL")
    as_app("SET", "demo:after", "1")
    run_playbook("restore", good, {"redis_restore": "latest"}, check=True).assert_ok()
    assert as_app("GET", "demo:after") == "1"
    result = run_playbook("restore", good, {"redis_restore": Path(path).name}).assert_ok()
    assert Path(path).name in result.stdout
    assert everything() == before
    shell(f"systemctl restart {UNIT}")
    assert everything() == before, "it is what the server starts with from now on"


def test_a_backup_by_the_timers_unit_and_retention(good: Path) -> None:
    for _unused in range(4):
        shell("systemctl start webstack-redis-backup.service; sleep 1")
    assert len(shell(f"ls {BACKUPS}/*.rdb").split()) == len(shell(f"ls {BACKUPS}/*.sha256").split()) == 3
    assert "enabled" in shell("systemctl is-enabled webstack-redis-backup.timer")
    assert len(shell("webstack-redis list").splitlines()) == 3


def test_a_damaged_backup_is_not_restored(good: Path) -> None:
    before = fill()
    path, process = backup(good), main_process()
    name = {"redis_restore": Path(path).name}
    shell(f"cp {path} /root/whole && printf X | dd of={path} bs=1 seek=200 conv=notrunc status=none")
    run_playbook("restore", good, name).assert_failed("nothing was changed", "checksum")
    shell(f"sha256sum {path} | sed 's|{BACKUPS}/||' >{path}.sha256")
    run_playbook("restore", good, name).assert_failed("nothing was changed", "damaged, says redis-check-rdb")
    assert (everything(), main_process()) == (before, process)
    shell(f"rm {path} {path}.sha256 /root/whole")
    run_playbook("restore", good).assert_failed("Which store, from which backup?", "redis_restore=latest")
    run_playbook("restore", good, {"redis_restore": "nope"}).assert_failed("there is no backup nope")


def test_a_full_disk_fails_the_backup_and_nothing_else(good: Path) -> None:
    fill()
    backup(good)
    before, process = shell(f"ls {BACKUPS}"), main_process()
    shell("fallocate -l 38M /var/backups/webstack/filler")
    run_playbook("backup", good).assert_failed("no backup was made", f"{BACKUPS} has", "MB left")
    assert shell("systemctl start webstack-redis-backup.service || echo failed").strip() == "failed"
    run_playbook("verify", good).assert_failed("WRONG", "the last backup failed")
    shell("rm /var/backups/webstack/filler")
    assert (shell(f"ls {BACKUPS}"), main_process()) == (before, process)
    assert as_app("SET", "demo:d", "1") == "OK"
    shell("systemctl start webstack-redis-backup.service")
    run_playbook("verify", good).assert_ok()


def test_a_reboot_brings_it_back_with_its_data(good: Path) -> None:
    before = fill()
    time.sleep(1.2)
    reboot(HOST)
    assert everything() == before
    result = run_playbook("provision", good).assert_ok()
    assert result.recap[HOST]["changed"] == 0


def test_it_starts_without_a_warning() -> None:
    shell(f"systemctl restart {UNIT}")
    process = main_process()
    lines = [line for line in shell(f"cat {LOG}").splitlines() if line.startswith(f"{process}:")]
    assert any("Ready to accept connections unix" in line for line in lines)
    warnings = [line for line in lines if " # " in line]
    # In a container this one is about the machine outside, whose kernel is not ours to set.
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() != "1":
        assert "vm.overcommit_memory=1" in shell("cat /etc/sysctl.d/60-webstack-redis.conf").replace(" ", "")
        warnings = [line for line in warnings if "Memory overcommit must be enabled" not in line]
    assert warnings == []


def test_nobody_else_is_told_a_password(runs: list[Result], good: Path) -> None:
    with Watch(CANARY) as watch:
        results = [*runs, run_playbook("provision", good, diff=True, verbosity=3).assert_ok()]
        results += [run_playbook(name, good, diff=True, verbosity=3).assert_ok() for name in ("verify", "backup")]
    for result in results:
        assert [line[:300] for line in (result.stdout + result.stderr).splitlines() if CANARY in line] == []
    watch.assert_nobody_saw_it()
    journal = podman_exec(HOST, "journalctl", "--no-pager", "--all", "--output=export").stdout
    # These tests themselves ask with a password in the environment of podman exec, which is not logged here.
    assert len(journal) > 1000
    assert CANARY not in journal
    skipped = [f"--exclude-dir={place}" for place in ("proc", "sys", "dev")]
    found = podman_exec(HOST, "grep", "-rlaF", "--devices=skip", *skipped, CANARY, "/", check=False).stdout
    assert found == "", "the server and its files have digests alone"
    assert shell(f"stat -c %a:%U:%G {ADMIN_PASSWORD} {ACL_FILE} {CONFIG}").split() == [
        "600:root:root",
        "640:root:redis",
        "640:root:redis",
    ]


COUNTER = (
    '@app.get("/health")',
    """import redis.asyncio

counter = redis.asyncio.from_url(os.environ["REDIS_URL"])


@app.get("/count")
async def count() -> dict[str, int]:
    return {"count": await counter.incr("demo:count")}


@app.get("/health")""",
)


def test_an_app_finds_it_and_a_rotated_password_costs_no_request(tmp_path: Path, good: Path) -> None:
    source = variant(
        tmp_path / "source",
        edits={
            "demo/main.py": [COUNTER],
            "pyproject.toml": [('"fastapi>=0.115,<1"', '"fastapi>=0.115,<1", "redis>=5,<7"')],
        },
    )

    def inventory(password: str) -> Path:
        entry = {"source": {"path": str(source)}, "redis": {"password": password}, "health": "/count"}
        return write_inventory(
            tmp_path / "inventory", HOST, entry, groups=["app", "proxy", "redis"], variables=VARIABLES
        )

    run_playbook("deploy", inventory(PASSWORD)).assert_ok()
    failures: list[str] = []
    ended, asked = threading.Event(), 0

    def use() -> None:
        nonlocal asked
        request = Request(f"http://{address(HOST)}/count", headers={"Host": DOMAIN})
        while not ended.wait(0.02):
            asked += 1
            try:
                with urlopen(request, timeout=10) as answer:
                    assert answer.status == 200
            except Exception as error:  # noqa: BLE001 (every kind of failure counts)
                failures.append(repr(error))

    users = [threading.Thread(target=use) for _unused in range(3)]
    for thread in users:
        thread.start()
    try:
        run_playbook("deploy", inventory(OTHER)).assert_ok()
    finally:
        ended.set()
        for thread in users:
            thread.join()
    assert asked > 50
    assert failures == []
    environment = shell("cat /srv/demo/current/etc/environment")
    assert f"redis://demo:{OTHER}@127.0.0.1:6379/0" in environment
    assert int(redis("GET", "demo:count")) >= asked
    shell("systemctl stop demo.service 'demo@*'", check=False)


# The other server, and TLS


def test_valkey_over_tls_alone(tmp_path: Path, good: Path) -> None:
    shell(f"systemctl disable --now {UNIT} 2>/dev/null")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cache.example.test -keyout /root/key.pem"
    shell(f"{made} -addext subjectAltName=DNS:cache.example.test -out /etc/ssl/cache.pem 2>/dev/null")
    tls = {"certificate": "/etc/ssl/cache.pem", "key": "/etc/ssl/cache.key", "host": "cache.example.test"}
    inventory = write(tmp_path, {"redis_server": "valkey", "redis_tls": tls})
    run_playbook("provision", inventory).assert_failed("/etc/ssl/cache.key")
    shell("install -m 0640 -g valkey /root/key.pem /etc/ssl/cache.key")
    run_playbook("provision", inventory).assert_ok()
    assert run_playbook("provision", inventory).assert_ok().recap[HOST]["changed"] == 0
    ask = ["env", f"REDISCLI_AUTH={PASSWORD}", "valkey-cli", "--no-auth-warning", "--user", "demo"]
    encrypted = ["--tls", "--cacert", "/etc/ssl/cache.pem", "--sni", "cache.example.test"]
    assert podman_exec(HOST, *ask, *encrypted, "SET", "demo:v", "1").stdout.strip() == "OK"
    plain = podman_exec(HOST, *ask, "GET", "demo:v", check=False)
    assert "1" not in plain.stdout.split(), "without TLS nobody is heard"
    run_playbook("backup", inventory).assert_ok()
    podman_exec(HOST, *ask, *encrypted, "DEL", "demo:v")
    run_playbook("restore", inventory, {"redis_restore": "latest"}).assert_ok()
    assert podman_exec(HOST, *ask, *encrypted, "GET", "demo:v").stdout.strip() == "1"
    run_playbook("verify", inventory).assert_ok()
    shell("systemctl disable --now valkey-server.service 2>/dev/null")
    run_playbook("provision", good).assert_ok()
