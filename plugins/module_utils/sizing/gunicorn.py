# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gunicorn's settings for each app, once its workers and its memory are known."""

from __future__ import annotations

from ..hardware.types import Cpu
from .budget import CpuShare
from .connections import Pool
from .errors import SizingError
from .placement import ALL, given_cpus, worth
from .sheet import Sheet
from .types import AppWorkload, GunicornPlan
from .workers import (
    ENOUGH,
    EVENT_LOOPS,
    LOAD_HEADROOM,
    MASTER_MB,
    Allocation,
    Demand,
    memory_per_worker,
    per_core,
    target_workers,
)

#: How long a request may take where the user does not say: language models answer slowly.
LONGEST_REQUEST = {"llm": 120, "io": 30, "mixed": 30, "cpu": 30}
#: Threads of a gthread worker by workload; more when the declared load asks for them.
THREADS = {"cpu": 2, "mixed": 4, "io": 16, "llm": 32}
MAX_THREADS = 128
#: gunicorn's default; what an event loop can hold is bounded by memory below it.
CONNECTIONS = 1000
#: Connections that the memory of one worker covers by itself, and MiB for each one more: 21 KiB was
#: measured with gunicorn's asgi worker and 30 with uvicorn's, plus the app's own state; with llm
#: each request holds a TLS connection to the model as well.
CONNECTIONS_INCLUDED = 100
CONNECTION_MB = {"llm": 0.125, "io": 0.0625, "mixed": 0.0625, "cpu": 0.0625}
#: Requests until a worker is replaced, where the rate is unknown. A new worker takes about a second of a processor: the
#: guides' 1000 cost half of all requests where they are short (gunicorn's asgi worker with FastAPI).
MAX_REQUESTS = 10000
#: Above nginx's own 60 s for idle upstream connections, so that nginx closes first, never gunicorn.
KEEPALIVE = 75
BACKLOG = 2048
#: nginx keeps an upstream connection for 2 s; the old release outlives the hand-over by a little more.
DRAIN_SECONDS = 3
#: Descriptors that a worker needs besides its clients: files, logs, its own upstream connections.
OTHER_FILES = 64


def demand(app: AppWorkload, cpu: Cpu, share: CpuShare, apps: int, sheet: Sheet) -> Demand:
    """Return what ``app`` asks for when ``apps`` apps divide ``share`` evenly, or of the CPUs that the user gave it."""
    path = f"gunicorn.{app.name}"
    preload = sheet.boolean(
        f"{path}.preload", False, "every worker imports the app itself; set it when the app may be forked after import"
    )
    per_worker, origin = memory_per_worker(app, preload)
    sheet.note(f"{path}.memory_per_worker_mb", per_worker, origin)
    text = share.text if apps == 1 else f"{share.text} ÷ {apps} apps"
    cpus, own = share.cpus / apps, given_cpus(app.name, cpu, sheet)
    if own not in (None, ALL) and worth(own, cpu) < cpus:
        cpus, text = worth(own, cpu), f"{worth(own, cpu):.2f} cores' worth of CPUs {own}"
    target, target_reason = target_workers(app, cpus, text)
    return Demand(
        name=app.name,
        where=app.where,
        target=target,
        target_reason=target_reason,
        per_worker_mb=per_worker,
        # A preloading master holds the app as well.
        master_mb=per_worker if preload else MASTER_MB,
        weight=per_core(app),
        given=sheet.given_integer(f"{path}.workers"),
        limit_mb=sheet.given_integer(f"{path}.memory_max_mb"),
        handover="side_by_side" if app.keep_warm else app.handover,
    )


def plan_app(
    app: AppWorkload, got: Allocation, open_files: int | None, pool: Pool, allowed_cpus: str, sheet: Sheet
) -> GunicornPlan:
    """Return gunicorn's settings for ``app`` with the workers and memory that it ``got``."""
    path = f"gunicorn.{app.name}"
    sheet.note(f"{path}.interface", app.interface, f"what {app.framework} speaks")
    sheet.note(f"{path}.worker_class", app.worker_class, app.worker_class_origin)
    workers = _workers(app, got, sheet)
    memory_max = sheet.integer(f"{path}.memory_max_mb", got.memory_mb, _memory_reason(got))
    threads = threads_of(app, workers, sheet)
    connections = _connections(app, got, threads, open_files, sheet)
    max_requests, jitter = _max_requests(app, workers, sheet)
    timeout, graceful = _timeouts(app, sheet)
    handover, keep_warm = _handover(app, got, sheet)
    return GunicornPlan(
        interface=app.interface,
        worker_class=app.worker_class,
        workers=workers,
        threads=threads,
        worker_connections=connections,
        max_requests=max_requests,
        max_requests_jitter=jitter,
        timeout=timeout,
        graceful_timeout=graceful,
        keepalive=sheet.integer(
            f"{path}.keepalive", KEEPALIVE, "above nginx's 60 s, so that nginx closes idle connections first", 0
        ),
        preload=sheet.given_boolean(f"{path}.preload") or False,
        backlog=sheet.integer(f"{path}.backlog", BACKLOG, "gunicorn's default, below the kernel's somaxconn of 4096"),
        memory_per_worker_mb=got.demand.per_worker_mb,
        memory_max_mb=memory_max,
        pool_size=pool.size,
        pool_max_overflow=pool.overflow,
        connections=pool.total,
        handover=handover,
        keep_warm=keep_warm,
        drain_seconds=sheet.integer(
            f"{path}.drain_seconds", DRAIN_SECONDS, "nginx keeps upstream connections for 2 s", DRAIN_SECONDS
        ),
        allowed_cpus=allowed_cpus,
    )


def slots(plan: GunicornPlan) -> int:
    """Return how many requests all workers of one generation can have under way."""
    if plan.worker_class in EVENT_LOOPS:
        return plan.workers * plan.worker_connections
    return plan.workers * plan.threads


def _sum(got: Allocation, workers: int | None = None, generations: int | None = None) -> str:
    workers, generations = workers or got.workers, generations or got.generations
    one = got.demand
    text = f"{one.master_mb} + {workers} × {one.per_worker_mb}"
    total = one.need_mb(workers, generations)
    return f"{text} = {total} MB" if generations == 1 else f"{generations} × ({text}) = {total} MB"


def _workers(app: AppWorkload, got: Allocation, sheet: Sheet) -> int:
    ask = got.demand
    path = f"gunicorn.{app.name}.workers"
    if ask.given is None and got.workers < ask.target:
        reason = f"what memory allows ({_sum(got)}); the processors could use {ask.target}: {ask.target_reason}"
        ways = "more memory, or a smaller memory_per_worker_mb where that is true,"
        if got.generations > 1:
            ways += " or handover: socket (one generation at a time)"
        sheet.warn(f"{app.name}: memory allows {got.workers} of {ask.target} workers; {ways} would allow more")
    else:
        reason = ask.target_reason
    if ask.given is not None and not got.full:
        sheet.warn(
            f"{app.name}: {sheet.origin(path)} asks for {ask.given} workers ({_sum(got)}), but there are only "
            f"{got.memory_mb} MB for them: expect workers to be killed for memory; give fewer or more memory"
        )
    computed = ask.target if ask.given is not None else got.workers
    return sheet.integer(path, computed, reason)


def _memory_reason(got: Allocation) -> str:
    need = got.demand.need_mb(got.workers, got.generations)
    what = "master + workers × memory each"
    what = f"{_sum(got)} ({what}" + (", two generations)" if got.generations > 1 else ")")
    if got.memory_mb > need:
        return f"{what}, plus {got.memory_mb - need} to grow into: its part of half the spare"
    return what if got.memory_mb == need else f"all that is left; needed: {what}"


def threads_of(app: AppWorkload, workers: int, sheet: Sheet) -> int:
    """Return the threads of one worker."""
    path = f"gunicorn.{app.name}.threads"
    if app.worker_class != "gthread":
        why = "an event loop needs one" if app.worker_class in EVENT_LOOPS else "a sync worker has one"
        threads = sheet.integer(path, 1, why)
        if threads > 1 and app.worker_class == "sync":
            sheet.warn(f"{app.name}: with threads above 1 gunicorn runs gthread workers instead of sync ones")
        return threads
    computed, reason = THREADS[app.workload], f"usual for {app.workload} requests"
    if app.concurrency is not None:
        needed = -int(-app.concurrency * LOAD_HEADROOM // workers)
        if needed > computed:
            computed = min(needed, MAX_THREADS)
            reason = f"{app.concurrency:g} requests at once plus a quarter, over {workers} workers"
        if needed > MAX_THREADS:
            sheet.warn(f"{app.name}: {needed} threads per worker were needed; an ASGI or gevent app would suit better")
    return sheet.integer(path, computed, reason)


def _connections(app: AppWorkload, got: Allocation, threads: int, open_files: int | None, sheet: Sheet) -> int:
    path = f"gunicorn.{app.name}.worker_connections"
    if app.worker_class == "sync":
        return sheet.integer(path, 1, "a sync worker serves one at a time")
    if app.worker_class == "gthread":
        return sheet.integer(path, threads + CONNECTIONS_INCLUDED, f"{threads} threads and idle keep-alive connections")
    spare = got.memory_mb / got.generations - got.demand.need_mb(got.workers)
    each = CONNECTION_MB[app.workload]
    bound = CONNECTIONS_INCLUDED + int(max(0.0, spare) / got.workers / each)
    wanted, reason = CONNECTIONS, "gunicorn's default, which the memory covers"
    if app.concurrency is not None:
        wanted = max(wanted, -int(-app.concurrency * LOAD_HEADROOM // got.workers))
    if bound < wanted:
        wanted = bound
        reason = (
            f"{CONNECTIONS_INCLUDED} in each worker's own memory + {max(0.0, spare):.0f} MB of a generation's spare ÷ "
            f"{got.workers} workers at {each * 1024:.0f} KiB, in whole fifties"
        )
    if open_files is not None and (open_files - OTHER_FILES) // 2 < wanted:
        wanted, reason = max(1, (open_files - OTHER_FILES) // 2), f"half of the limit of {open_files} open files"
    # Whole fifties, so that a few MiB do not change the number.
    value = sheet.integer(path, wanted // 50 * 50 or wanted, reason)
    _warn_about_connections(app, value, bound, open_files, sheet)
    if app.concurrency is not None and value * got.workers < app.concurrency:
        sheet.warn(
            f"{app.name}: {app.concurrency:g} requests at once are declared, but {got.workers} workers hold only "
            f"{value} connections each; the host needs more memory"
        )
    return value


def _warn_about_connections(app: AppWorkload, value: int, bound: int, open_files: int | None, sheet: Sheet) -> None:
    """Say where a given number is more than memory (``bound``) or the limit of open files hold."""
    if value > bound:
        sheet.warn(
            f"{app.name}: memory holds {bound} connections of each worker, not the {value} of worker_connections: "
            "expect workers to be killed for memory at such a peak"
        )
    if open_files is not None and value + OTHER_FILES > open_files:
        sheet.warn(
            f"{app.name}: worker_connections {value} needs more than the {open_files} files that the host allows; "
            "lower it, or raise the limit"
        )


def _max_requests(app: AppWorkload, workers: int, sheet: Sheet) -> tuple[int, int]:
    path = f"gunicorn.{app.name}.max_requests"
    if workers < ENOUGH:
        computed, reason = 0, "off: replacing the only worker would leave none"
    elif app.worker_class == "uvicorn_worker":
        computed, reason = 0, "off: uvicorn's worker hangs up on requests when it is replaced"
    elif app.requests_per_second is not None:
        hourly = int(app.requests_per_second * 3600 / workers)
        computed = min(100000, max(1000, hourly // 1000 * 1000))
        reason = "what a worker serves in an hour, from 1000 to 100,000"
    else:
        computed, reason = MAX_REQUESTS, "a slow leak cannot fill the memory"
    number = sheet.integer(path, computed, reason, 0)
    if number and app.worker_class == "uvicorn_worker":
        sheet.warn(
            f"{app.name}: each time {sheet.origin(path)} replaces a worker of uvicorn's it hangs up on what it has "
            "just accepted, and their users get a 502; 0 turns it off, and asgi workers do not"
        )
    spread = max(1, number // 5) if number else 0
    why = "a fifth of max_requests, so that workers are not replaced all at once" if number else "as max_requests"
    jitter = sheet.integer(f"{path}_jitter", spread, why, 0)
    if number and not jitter:
        raise SizingError(
            f"{sheet.origin(path + '_jitter')}: 0 replaces all workers at the same time when max_requests is {number}; "
            "give at least 1, or set max_requests to 0"
        )
    return number, jitter


def _timeouts(app: AppWorkload, sheet: Sheet) -> tuple[int, int]:
    """Return timeout and graceful_timeout; a draining worker stops its heartbeat, so timeout is the longer."""
    path = f"gunicorn.{app.name}"
    longest = app.longest_request_seconds or LONGEST_REQUEST[app.workload]
    source = "declared" if app.longest_request_seconds else f"assumed for {app.workload}"
    given = sheet.given_integer(f"{path}.timeout", 2)
    graceful = min(longest, given - max(1, given // 5)) if given is not None else longest
    graceful = sheet.integer(f"{path}.graceful_timeout", graceful, f"the longest request, {longest} s {source}")
    base = max(graceful, longest)
    computed = base + max(5, base // 4)
    timeout = sheet.integer(f"{path}.timeout", computed, "a quarter above graceful_timeout and the longest request", 2)
    if timeout <= graceful:
        raise SizingError(
            f"{sheet.origin(f'{path}.timeout')}: {timeout} s must be above graceful_timeout ({graceful} s), or workers "
            "are killed while they finish their last requests; raise it, or lower graceful_timeout"
        )
    if timeout < longest:
        sheet.warn(f"{app.name}: timeout {timeout} s is below the longest request, {longest} s {source}")
    return timeout, graceful


def _handover(app: AppWorkload, got: Allocation, sheet: Sheet) -> tuple[str, bool]:
    path = f"gunicorn.{app.name}"
    asked = got.demand.handover
    two = _sum(got, generations=2)
    handover = asked if asked != "auto" else ("side_by_side" if got.generations > 1 else "socket")
    if asked == "side_by_side" and got.generations < 2:
        sheet.warn(
            f"{app.name}: two generations were asked for ({two}), but only {got.memory_mb} MB are there: expect "
            "workers to be killed for memory during a hand-over; use handover: auto"
        )
    if asked != "auto":
        reason = f"given by {app.where}.{'keep_warm' if app.keep_warm else 'handover'}"
    elif got.generations > 1:
        reason = f"two generations fit: {two}"
    else:
        reason = f"two generations ({two}) do not fit; connections wait while the new release starts"
    sheet.note(f"{path}.handover", handover, reason)
    keep_warm = app.keep_warm if app.keep_warm is not None else got.generations > 1
    warm_reason = "the budget holds both releases" if keep_warm else "only one release runs at a time"
    sheet.note(
        f"{path}.keep_warm", keep_warm, warm_reason if app.keep_warm is None else f"given by {app.where}.keep_warm"
    )
    return handover, keep_warm
