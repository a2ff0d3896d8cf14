# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role postgres_pgvector needs on the database's host; it works without Ansible too.

As root: would PostgreSQL start with FILE as our drop-in, or with what is on standard input where FILE is -?
    judge VERSION CLUSTER FILE
As postgres:
    backup DIRECTORY [--keep N] [--no-proof]      all databases; each backup is restored once, to prove it
    list DIRECTORY
    restore DIRECTORY DATABASE [--backup ID] [--as NAME] [--dry-run]      in place, or beside what is there
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DROPIN = "rightsize.conf"
#: A setting that the server can only tell when it has judged all the others, libraries included (since version 15).
COMPUTED = "shared_memory_size"
SOCKET = "/var/run/postgresql"
MANIFEST = "manifest.json"
#: What a backup is called until it is whole.
PARTIAL = ".partial"
SCRATCH = "webstack_proof"
RESTORING = "_restoring"
OBJECT_IN_USE = "55006"
RENAME_ATTEMPTS = 5

# What must be the same in a database and in what was restored of it. Each query gives one column of text.
FACTS = {
    # One that is being built, or was left half built, is in no dump.
    "indexes": """
        SELECT pg_get_indexdef(c.oid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indisvalid
        AND relnamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1""",
    "constraints": """
        SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE conrelid <> 0 AND connamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1""",
    "extensions": "SELECT concat_ws(' ', extname, extversion) FROM pg_extension ORDER BY 1",
    "owners and grants": """
        SELECT concat_ws(' ', c.oid::regclass, pg_get_userbyid(relowner), (
            SELECT string_agg(concat_ws(':', coalesce(nullif(grantee, 0)::regrole::text, 'public'), privilege_type,
                is_grantable::text), ',' ORDER BY grantee::regrole::text, privilege_type) FROM aclexplode(relacl)))
        FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relnamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1""",
    "default grants": """
        SELECT concat_ws(' ', defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace, defaclobjtype,
            (SELECT string_agg(one::text, ',' ORDER BY one::text) FROM unnest(defaclacl) AS one))
        FROM pg_default_acl ORDER BY 1""",
    "functions": """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1""",
    "policies": "SELECT concat_ws(' ', polrelid::regclass, polname, polcmd) FROM pg_policy ORDER BY 1",
    "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
}
TABLES = """
    SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'r'
    AND relnamespace::regnamespace::text !~ '^pg_|^information_schema$' ORDER BY 1"""
PROPERTIES = """
    SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
        to_jsonb(d) ->> 'datlocprovider', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
        (SELECT coalesce(json_agg(json_build_array(coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'),
            privilege_type)), '[]') FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))),
        (SELECT coalesce(json_agg(json_build_array(nullif(setrole, 0)::regrole::text, entry)), '[]')
         FROM pg_db_role_setting, unnest(setconfig) AS entry WHERE setdatabase = d.oid)
    FROM pg_database d WHERE datname = %s"""
# Names are whole whatever the database's own path is. What is said here can have verifiers of passwords, and is
# nobody's slow query.
SESSION = {
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
}


class ToolError(Exception):
    """What could not be done, in words for the person on call."""


# --- judging a configuration -----------------------------------------------------------------------------------


def judge(version: int, candidate: str, configuration: Path, data: Path) -> None:
    """Raise ``ToolError`` with PostgreSQL's own words unless it would start with the text ``candidate`` as drop-in.

    The configuration is copied beside a skeleton of the data directory, and PostgreSQL is asked there: first what only
    a whole and consistent configuration answers, then for the shared memory, which it gives back at once.
    """
    postgres = f"/usr/lib/postgresql/{version}/bin/postgres"
    with tempfile.TemporaryDirectory(prefix="webstack-postgres-") as place:
        etc, skeleton = Path(place, "etc"), Path(place, "data")
        shutil.copytree(configuration, etc)
        (etc / "conf.d").mkdir(exist_ok=True)
        (etc / "conf.d" / DROPIN).write_text(candidate, encoding="utf-8")
        for directory in [data, *(path for path in data.rglob("*") if _is_bare(path, data))]:
            (skeleton / directory.relative_to(data)).mkdir()
        for name in ("PG_VERSION", "postgresql.auto.conf", "global/pg_control"):
            if (data / name).exists():
                shutil.copyfile(data / name, skeleton / name)
        _give(Path(place), "postgres")
        asked = COMPUTED if version >= 15 else "max_connections"
        files = ["-c", f"data_directory={skeleton}", "-c", f"config_file={etc}/postgresql.conf"]
        for options in (["-C", asked, "-D", str(skeleton), *files], ["--check", "-D", str(skeleton), *files]):
            done = subprocess.run(
                ["runuser", "-u", "postgres", "--", postgres, *options],
                capture_output=True,
                text=True,
                check=False,
                cwd=place,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"},
            )
            if done.returncode:
                raise ToolError("PostgreSQL would not start: " + done.stderr.strip().replace(place, ""))


def _is_bare(path: Path, data: Path) -> bool:
    """Say whether a directory belongs to the skeleton: not the databases' own files."""
    top = path.relative_to(data).parts[0]
    return path.is_dir() and not path.is_symlink() and top not in ("base", "pg_wal", "pg_tblspc", "pg_replslot")


def _give(place: Path, user: str) -> None:
    account = pwd.getpwnam(user)
    for path in [place, *place.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    (place / "data").chmod(0o700)


# --- the server ------------------------------------------------------------------------------------------------


class Server:
    """The server of one cluster, over its socket and as its superuser."""

    def __init__(self, port: int) -> None:
        import psycopg2  # noqa: PLC0415 (judging needs none)

        self.port, self._connect, self._error = port, psycopg2.connect, psycopg2.Error
        with self.session("postgres") as ask:
            self.version = int(ask("SELECT current_setting('server_version_num')")[0][0]) // 10000
            self.data = Path(ask("SELECT current_setting('data_directory')")[0][0])

    @contextlib.contextmanager
    def session(self, database: str, snapshot: bool = False) -> Iterator[Any]:
        """Yield a function that runs one statement and returns its rows; with ``snapshot`` all see the same rows."""
        try:
            connection = self._connect(host=SOCKET, port=self.port, dbname=database, user="postgres")
            try:
                if snapshot:
                    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                else:
                    connection.autocommit = True
                cursor = connection.cursor()
                for name, value in SESSION.items():
                    cursor.execute(f"SET {name} = {value}")

                def ask(statement: str, values: Sequence[Any] | None = None) -> list[Any]:
                    cursor.execute(statement, values)
                    return list(cursor.fetchall()) if cursor.description else []

                yield ask
            finally:
                connection.close()
        except self._error as error:
            raise ToolError(f"PostgreSQL, database {database}: {str(error).strip()}") from error

    def run(self, program: str, *options: str) -> None:
        """Run one of PostgreSQL's own programs; raise ``ToolError`` with its last words when it fails."""
        command = [f"/usr/lib/postgresql/{self.version}/bin/{program}", "--no-password", f"--port={self.port}"]
        done = subprocess.run([*command, f"--host={SOCKET}", *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(
                f"{program}: {' '.join(done.stderr.strip().splitlines()[-4:]) or f'exit {done.returncode}'}"
            )

    def databases(self) -> dict[str, int]:
        """Return the size in bytes of every database that people have made."""
        with self.session("postgres") as ask:
            rows = ask(
                "SELECT datname, pg_database_size(oid) FROM pg_database "
                "WHERE NOT datistemplate AND datallowconn AND datname NOT IN ('postgres', %s) ORDER BY datname",
                [SCRATCH],
            )
        return {name: int(size) for name, size in rows if not name.endswith(RESTORING)}

    def has(self, database: str) -> bool:
        """Say whether there is such a database."""
        with self.session("postgres") as ask:
            return bool(ask("SELECT 1 FROM pg_database WHERE datname = %s", [database]))

    def properties(self, database: str) -> dict[str, Any]:
        """Return what belongs to a database as a whole, which a dump does not restore into another name."""
        keys = ("owner", "encoding", "collate", "ctype", "provider", "locale", "grants", "settings")
        with self.session("postgres") as ask:
            return dict(zip(keys, ask(PROPERTIES, [database])[0]))

    def create(self, database: str, properties: Mapping[str, Any]) -> None:
        """Make an empty database with the encoding and locale that another one has."""
        options = f"ENCODING {literal(properties['encoding'])} LC_COLLATE {literal(properties['collate'])} "
        options += f"LC_CTYPE {literal(properties['ctype'])}"
        kinds = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}
        if properties["provider"] in kinds:
            provider, key = kinds[properties["provider"]]
            options += f" LOCALE_PROVIDER {provider} {key} {literal(properties['locale'])}"
        with self.session("postgres") as ask:
            ask(f"CREATE DATABASE {quoted(database)} TEMPLATE template0 {options}")

    def drop(self, database: str) -> None:
        """Drop a database with all its connections."""
        with self.session("postgres") as ask:
            ask(f"DROP DATABASE IF EXISTS {quoted(database)}" + (" WITH (FORCE)" if self.version >= 13 else ""))

    def change_places(self, database: str, restored: str, kept: str) -> None:
        """Give ``restored`` the name of ``database``, and that the name ``kept`` (empty where there is none).

        In one transaction, so that at no moment, and after no crash, there is none of that name: a run of the playbook
        would make an empty one. Connections are cut. ``kept`` lets nobody in: nobody writes to it by mistake, and no
        backup takes it along.
        """
        steps = [f"ALTER DATABASE {quoted(restored)} RENAME TO {quoted(database)}"]
        if kept:
            steps.insert(0, f"ALTER DATABASE {quoted(database)} RENAME TO {quoted(kept)}")
            steps.append(f"ALTER DATABASE {quoted(kept)} ALLOW_CONNECTIONS false")
        with self.session("postgres") as ask:
            for left in reversed(range(RENAME_ATTEMPTS)):
                ask(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)",
                    [[database, restored]],
                )
                try:
                    ask("; ".join(steps))
                    return
                except self._error as error:
                    # Somebody has come between the two; the server has waited five seconds for him to go.
                    if getattr(error, "pgcode", None) != OBJECT_IN_USE or not left:
                        raise

    def apply(self, database: str, properties: Mapping[str, Any]) -> None:
        """Give a database the owner, the grants and the settings that another one has."""
        name = quoted(database)
        with self.session("postgres") as ask:
            ask(f"ALTER DATABASE {name} OWNER TO {quoted(properties['owner'])}")
            ask(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            for role, privilege in properties["grants"]:
                ask(f"GRANT {privilege} ON DATABASE {name} TO {role}")
            for role, entry in properties["settings"]:
                key, _unused, value = entry.partition("=")
                where = f"ROLE {role} IN DATABASE {name}" if role else f"DATABASE {name}"
                ask(f"ALTER {where} SET {key} = {literal(value)}")


def facts(ask: Any) -> dict[str, Any]:
    """Return what must be the same after a restore: the rows of every table, counted, and everything around them."""
    found: dict[str, Any] = {name: [row[0] for row in ask(query)] for name, query in FACTS.items()}
    found["rows"] = {table: ask(f"SELECT count(*) FROM {table}")[0][0] for (table,) in ask(TABLES)}
    return found


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return in words how what was restored differs from what was dumped."""
    words = []
    for name, value in wanted.items():
        other = found.get(name)
        if value == other:
            continue
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            for key in sorted({*value, *other}):
                if value.get(key) != other.get(key):
                    words.append(f"{name} of {key}: {value.get(key)} dumped, {other.get(key)} restored")
        else:
            lost = sorted({*value} - {*(other or [])})
            more = sorted({*(other or [])} - {*value})
            words.append(f"{name}: lost {lost[:3]}, new {more[:3]}")
    return words


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


# --- backups ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other backups and restores out; the kernel lets go when this process ends."""
    if not directory.is_dir():
        raise ToolError(f"{directory} is not there; provision.yml makes it, or mount what belongs there")
    with (directory / ".lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ToolError(f"another backup or restore is at work in {directory}; wait for it") from error
        yield


def complete(directory: Path) -> list[str]:
    """Return the ids of the whole backups, oldest first."""
    return sorted(path.parent.name for path in directory.glob(f"*/{MANIFEST}") if path.parent.suffix != PARTIAL)


def backup(server: Server, directory: Path, keep: int, prove: bool) -> str:
    """Back up all databases and return the new backup's id; older ones beyond ``keep`` go only after it is proved."""
    with locked(directory):
        for leftover in directory.glob(f"*{PARTIAL}"):
            shutil.rmtree(leftover)
        server.drop(SCRATCH)
        name = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        if (directory / name).exists():
            raise ToolError(f"{directory / name} is there already; wait a second")
        sizes = server.databases()
        _check_space(server, directory, sizes, prove)
        place = directory / (name + PARTIAL)
        place.mkdir(mode=0o700)
        try:
            manifest = _write(server, place, sizes, prove)
            _save(place / MANIFEST, manifest)
            place.rename(directory / name)
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError):
                raise ToolError(f"{directory}: {error.strerror or error}; older backups are as they were") from error
            raise
        finally:
            server.drop(SCRATCH)
        for old in complete(directory)[:-keep]:
            # Without its manifest half a removal is no backup.
            (directory / old / MANIFEST).unlink()
            shutil.rmtree(directory / old)
        return name


def _check_space(server: Server, directory: Path, sizes: Mapping[str, int], prove: bool) -> None:
    """Refuse what would fill a disk: a full disk stops the server."""
    before = complete(directory)
    last = sum(path.stat().st_size for path in (directory / before[-1]).iterdir()) if before else 0
    needs = {directory: last or sum(sizes.values()) // 10}
    if prove and sizes:
        needs[server.data] = max(sizes.values()) * 11 // 10 + (64 << 20)
    if len(needs) == 2 and directory.stat().st_dev == server.data.stat().st_dev:
        needs = {directory: sum(needs.values())}
    for place, need in needs.items():
        free = shutil.disk_usage(place).free
        if free < need:
            raise ToolError(
                f"{place}: {free >> 20} MB free, {need >> 20} MB needed for a backup"
                f"{' and for restoring it once' if prove else ''}; make room, or keep fewer backups. "
                "Nothing was written, older backups are as they were"
            )


def _write(server: Server, place: Path, sizes: Mapping[str, int], prove: bool) -> dict[str, Any]:
    server.run("pg_dumpall", "--globals-only", f"--file={place / 'globals.sql'}")
    manifest: dict[str, Any] = {"server": server.version, "databases": {}, "files": {}}
    for database in sizes:
        file = place / f"{database}.dump"
        with server.session(database, snapshot=True) as ask:
            ((snapshot,),) = ask("SELECT pg_export_snapshot()")
            # Before the dump: the tables that were counted cannot be changed until this session ends.
            found = facts(ask)
            server.run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={file}", f"--dbname={database}")
        entry: dict[str, Any] = {"properties": server.properties(database), "facts": found}
        if prove:
            _prove(server, file, database, entry)
            entry["proved"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        manifest["databases"][database] = entry
    manifest["files"] = {path.name: checksum(path) for path in sorted(place.iterdir())}
    return manifest


def _prove(server: Server, file: Path, database: str, entry: Mapping[str, Any]) -> None:
    server.create(SCRATCH, entry["properties"])
    try:
        restore_into(server, SCRATCH, file, entry["facts"], database)
    finally:
        server.drop(SCRATCH)


def restore_into(server: Server, target: str, file: Path, wanted: Mapping[str, Any], database: str) -> None:
    """Restore a dump into an empty database and compare; raise ``ToolError`` when it is not the same."""
    server.run("pg_restore", "--exit-on-error", f"--dbname={target}", str(file))
    with server.session(target, snapshot=True) as ask:
        # As JSON has it, because that is where the other side may come from.
        wrong = differences(json.loads(json.dumps(wanted)), json.loads(json.dumps(facts(ask))))
    if wrong:
        raise ToolError(f"the dump of {database} does not give the same database back: {'; '.join(wrong[:5])}")


def checksum(path: Path) -> str:
    """Return a file's SHA-256; what is read has been written to the disk."""
    value = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        for block in iter(lambda: file.read(1 << 20), b""):
            value.update(block)
    return value.hexdigest()


def _save(path: Path, content: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o600)


def read_backup(directory: Path, name: str, database: str) -> tuple[Path, dict[str, Any]]:
    """Return a backup's directory and manifest after comparing its checksums."""
    there = complete(directory)
    if not there:
        raise ToolError(f"{directory} has no backup")
    place = directory / (there[-1] if name == "latest" else name)
    if place.name not in there:
        raise ToolError(f"{directory} has no backup {name!r}; it has {', '.join(there[-9:])}")
    manifest: dict[str, Any] = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    if database not in manifest["databases"]:
        known = ", ".join(manifest["databases"]) or "none"
        raise ToolError(f"{place} has no database {database!r}; it has {known}")
    for file in ("globals.sql", f"{database}.dump"):
        if not (place / file).exists() or checksum(place / file) != manifest["files"][file]:
            raise ToolError(f"{place / file} is damaged: its checksum is not that of the day it was made; take another")
    return place, manifest


def restore(server: Server, directory: Path, database: str, name: str, beside: str, dry_run: bool = False) -> str:
    """Restore one database, in place or under the name ``beside``; return what was done in words.

    What is there stays until the restored one is whole and compared. Then names are changed; the old one is kept.
    """
    with locked(directory):
        place, manifest = read_backup(directory, name, database)
        target = beside or (database[: 63 - len(RESTORING)] + RESTORING)
        if beside and server.has(beside):
            raise ToolError(f"there is a database {beside} already; name another one, or drop it")
        if not beside and not dry_run:
            # What a restore that was cut off has left.
            server.drop(target)
        entry = manifest["databases"][database]
        _check_space_for(server, place / f"{database}.dump")
        if dry_run:
            return f"{database} of {place.name} is whole and would be restored{f' as {beside}' if beside else ''}"
        _make_roles(server, place / "globals.sql")
        try:
            server.create(target, entry["properties"])
            restore_into(server, target, place / f"{database}.dump", entry["facts"], database)
            server.apply(target, entry["properties"])
            with server.session(target) as ask:
                ask("ANALYZE")
        except BaseException:
            server.drop(target)
            raise
        if beside:
            return f"{database} of {place.name} is restored as {beside}; {database} itself was not touched"
        return _change_places(server, database, target, place.name)


def _change_places(server: Server, database: str, restored: str, name: str) -> str:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dt%H%M%S")
    kept = f"{database[:40]}_before_{now}" if server.has(database) else ""
    server.change_places(database, restored, kept)
    if not kept:
        return f"{database} is restored from {name}"
    return (
        f'{database} is restored from {name}. What was there is {kept}; when it is not needed: DROP DATABASE "{kept}"'
    )


def _check_space_for(server: Server, dump: Path) -> None:
    need = dump.stat().st_size * 5 + (64 << 20)
    free = shutil.disk_usage(server.data).free
    if free < need:
        raise ToolError(
            f"{server.data}: {free >> 20} MB free, about {need >> 20} MB needed to restore beside what is there; "
            "make room"
        )


def _make_roles(server: Server, file: Path) -> None:
    """Make the roles that are missing, as they were; those that are there stay as they are."""
    with server.session("postgres") as ask:
        there = {row[0] for row in ask("SELECT quote_ident(rolname) FROM pg_roles")}
        made = set()
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.rstrip(";").split()
            if line.startswith("CREATE ROLE ") and words[2] not in there:
                made.add(words[2])
                ask(line)
            elif line.startswith("ALTER ROLE ") and words[2] in made and words[3] == "WITH":
                ask(line)
            elif line.startswith("GRANT ") and words[2] == "TO" and words[3] in made | there and words[1] in made:
                ask(line.split(" GRANTED BY ")[0].rstrip(";"))


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)
    try:
        if options.command == "judge":
            place = Path(str(options.version), options.cluster)
            given = options.candidate
            text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
            judge(options.version, text, "/etc/postgresql" / place, "/var/lib/postgresql" / place)
        elif options.command == "list":
            for name in complete(options.directory):
                manifest = json.loads((options.directory / name / MANIFEST).read_text(encoding="utf-8"))
                proved = all("proved" in entry for entry in manifest["databases"].values())
                print(name, "proved" if proved else "not proved", *manifest["databases"])
        elif options.command == "backup":
            name = backup(Server(options.port), options.directory, options.keep, not options.no_proof)
            print(
                f"backup {options.directory / name} is whole" + (", and was restored" if not options.no_proof else "")
            )
        else:
            server = Server(options.port)
            print(restore(server, options.directory, options.database, options.backup, options.beside, options.dry_run))
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="webstack-postgres", description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("judge", help="would PostgreSQL start with this drop-in?")
    one.add_argument("version", type=int)
    one.add_argument("cluster")
    one.add_argument("candidate")
    one = commands.add_parser("list", help="what backups there are")
    one.add_argument("directory", type=Path)
    one = commands.add_parser("backup", help="back up all databases")
    one.add_argument("directory", type=Path)
    one.add_argument("--keep", type=int, default=7, help="how many backups to keep")
    one.add_argument("--no-proof", action="store_true", help="do not restore it to prove it")
    one.add_argument("--port", type=int, default=5432)
    one = commands.add_parser("restore", help="restore one database")
    one.add_argument("directory", type=Path)
    one.add_argument("database")
    one.add_argument("--backup", default="latest", help="id of the backup")
    one.add_argument("--as", dest="beside", default="", help="name to restore it under, beside what is there")
    one.add_argument("--dry-run", action="store_true", help="only see whether it can be restored")
    one.add_argument("--port", type=int, default=5432)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
