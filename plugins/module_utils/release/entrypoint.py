# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find an entrypoint in a source tree without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from .errors import ReleaseError

ENTRYPOINT = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\(\))?")
ROOTS = (".", "src")


def parse_entrypoint(entrypoint: str) -> tuple[str, str]:
    """Split ``package.module:name`` (or ``…:factory()``); raises ``ReleaseError`` when it is not one."""
    if not ENTRYPOINT.fullmatch(entrypoint):
        raise ReleaseError(f"entrypoint: {entrypoint!r} is not of the form package.module:name, like demo.main:app")
    module, name = entrypoint.split(":")
    return module, name.removesuffix("()")


def check_entrypoint(directory: Path, files: Iterable[str], entrypoint: str) -> None:
    """See that a source tree (or the ``src`` in it) has the entrypoint's module and the name in it.

    Raises ``ReleaseError`` when no file is that module, when the file does not parse, or when it
    plainly does not define the name.
    """
    module, name = parse_entrypoint(entrypoint)
    path = module.replace(".", "/")
    known = set(files)
    for root in ROOTS:
        prefix = "" if root == "." else f"{root}/"
        for candidate in (f"{prefix}{path}.py", f"{prefix}{path}/__init__.py"):
            if candidate in known:
                _check_name(directory / candidate, candidate, name, entrypoint)
                return
    raise ReleaseError(
        f"entrypoint: {entrypoint!r} does not import: there is neither {path}.py nor {path}/__init__.py "
        f"in {directory} (nor below its src/); correct the entrypoint or the source"
    )


def _check_name(file: Path, shown: str, name: str, entrypoint: str) -> None:
    try:
        tree = ast.parse(file.read_bytes(), filename=shown)
    except (SyntaxError, ValueError) as error:
        raise ReleaseError(
            f"entrypoint: {entrypoint!r} does not import: {shown} is not valid Python: {error}; correct it"
        ) from None
    names = defined_names(tree)
    if names is not None and name not in names:
        there = ", ".join(sorted(entry for entry in names if not entry.startswith("_"))) or "nothing"
        raise ReleaseError(
            f"entrypoint: {entrypoint!r} does not import: {shown} defines no {name!r}; name one of {there}"
        )


def defined_names(tree: ast.Module) -> set[str] | None:
    """Return the names that a module defines at its top level, or ``None`` when that cannot be told.

    Cannot be told: a star import, a module-level ``__getattr__``, or writes to ``globals()``.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return None
        if isinstance(node, ast.Name) and node.id in ("globals", "exec", "setattr"):
            return None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return None if "__getattr__" in names else names
