"""Write docs/reference from what modules, filters, roles and playbooks say of themselves.

write_reference.py            write it
write_reference.py --check    write nothing; exit 1 when it is not up to date
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
REFERENCE = CHECKOUT / "docs" / "reference"
COLLECTION = "rightsize.webstack"
NOTE = "<!-- Written by `make docs` from the sources. Change it there. -->\n"
# Ansible's markup: C(code), O(option), V(value), RV(return value), E(variable), M(module), B(bold), I(italic).
MARKUP = re.compile(r"\b(?P<kind>C|O|V|RV|E|M|B|I)\((?P<text>(?:\\.|[^)\\])*)\)")
STYLES = {"B": "**", "I": "*"}
SUB_KEYS = ("suboptions", "options", "contains")


def main(arguments: list[str]) -> int:
    """Write or check all pages; return the exit code."""
    pages = dict(all_pages())
    there = {path.relative_to(REFERENCE).as_posix() for path in REFERENCE.rglob("*.md")}
    stale = sorted(
        {name for name, text in pages.items() if name not in there or (REFERENCE / name).read_text("utf-8") != text}
        | (there - set(pages))
    )
    if arguments == ["--check"]:
        for name in stale:
            print(f"docs/reference/{name} is not up to date; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = REFERENCE / name
        if name in pages:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[name], encoding="utf-8")
        else:
            path.unlink()
    print(f"docs/reference: {len(pages)} pages, {len(stale)} of them written or removed.")
    return 0


def all_pages() -> Iterator[tuple[str, str]]:
    """Yield the name below docs/reference and the text of every page."""
    kinds: dict[str, list[tuple[str, str]]] = {"playbooks": [], "roles": [], "modules": [], "filters": []}
    parts = [NOTE, "# Playbooks"]
    for path in sorted((CHECKOUT / "playbooks").glob("*.yml")):
        kinds["playbooks"].append((path.stem, f"playbooks.md#{path.stem.lower()}"))
        parts += [f"## {path.stem}", playbook_section(path)]
    yield "playbooks.md", page(parts)
    yield "variables.md", variables_page()
    for path in sorted((CHECKOUT / "roles").iterdir()):
        kinds["roles"].append((path.name, f"roles/{path.name}.md"))
        yield f"roles/{path.name}.md", role_page(path)
    for folder, kind in (("modules", "modules"), ("filter", "filters")):
        for path in sorted((CHECKOUT / "plugins" / folder).glob("[a-z]*.py")):
            kinds[kind].append((path.stem, f"{kind}/{path.stem}.md"))
            yield f"{kind}/{path.stem}.md", plugin_page(path)
    yield "README.md", index(kinds)


def index(kinds: Mapping[str, list[tuple[str, str]]]) -> str:
    """List all pages by kind."""
    parts = [NOTE, "# Reference", f"Everything that `{COLLECTION}` offers, with every option."]
    parts += ["## Inventory", "- [webstack_apps](variables.md), what an app is"]
    for kind, pages in kinds.items():
        parts += [f"## {kind.capitalize()}", "\n".join(f"- [{name}]({link})" for name, link in pages)]
    return page(parts)


def playbook_section(path: Path) -> str:
    """Make Markdown of the comment at the top of a playbook; its indented lines are commands."""
    lines = path.read_text(encoding="utf-8").removeprefix("---\n").splitlines()
    comment = [line[1:].removeprefix(" ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    blocks = []
    for is_code, block in itertools.groupby(comment, key=lambda line: line.startswith("  ")):
        blocks.append("\n".join(f"    {line.strip()}" if is_code else line for line in block))
    if not any(line.startswith("  ") for line in comment):
        blocks.append(f"    ansible-playbook {path.name} -i INVENTORY")
    return "\n\n".join(blocks).replace(f"ansible-playbook {path.name}", f"ansible-playbook {COLLECTION}.{path.stem}")


def variables_page() -> str:
    """Return the page of webstack_apps; a key is described beside its type, or by the role variable of its name."""
    keys = load("playbooks/vars/webstack_apps.yml")["__webstack_app"]["options"]
    variables = load("roles/gunicorn_app/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    sites = load("roles/nginx_proxy/meta/argument_specs.yml")["argument_specs"]["main"]["options"]["nginx_proxy_sites"]
    described = {
        name: option if "description" in option else with_description(option, variables, sites["options"], name)
        for name, option in keys.items()
    }
    silent = [name for name, option in described.items() if "description" not in option]
    if silent:
        raise SystemExit(f"playbooks/vars/webstack_apps.yml: describe {', '.join(silent)}")
    about = "One entry for each app. Only `name`, `source` and `entrypoint` are required; numbers come from the plan."
    return page([NOTE, "# webstack_apps", about, items(described)])


def with_description(
    option: Mapping[str, Any], variables: Mapping[str, Any], sites: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Return an option with what the role variable of its name says; what is required is the option's own matter."""
    described = variables.get(f"gunicorn_app_{name}") or sites.get(name) or {}
    parts = {
        key: {**described.get("options", {}).get(key, {}), **part} for key, part in option.get("options", {}).items()
    }
    return {**described, "required": False, **option, "options": parts}


def load(name: str) -> Any:
    return yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))


def page(parts: Iterable[str]) -> str:
    """Join the paragraphs of a page."""
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def plugin_page(path: Path) -> str:
    """Return the page of a module or a filter."""
    found = documentation(path)
    about = yaml.safe_load(found["DOCUMENTATION"])
    options = about.get("options") or {}
    for fragment in about.get("extends_documentation_fragment") or []:
        shared = CHECKOUT / "plugins" / "doc_fragments" / f"{fragment.rpartition('.')[2]}.py"
        options |= yaml.safe_load(documentation(shared)["DOCUMENTATION"])["options"]
    parts = [
        NOTE,
        f"# {COLLECTION}.{path.stem}",
        marked(about["short_description"]) + ".",
        paragraphs(about["description"]),
    ]
    for title, key in (("Requirements", "requirements"), ("Notes", "notes")):
        if about.get(key):
            parts += [f"## {title}", paragraphs(about[key])]
    for name, support in (about.get("attributes") or {}).items():
        text = " ".join(marked(line) for line in as_list(support.get("description")))
        parts.append(f"**{name.replace('_', ' ').capitalize()}**: {support['support']}. {text}")
    parts += ["## Options", items(options) or "None."]
    parts += ["## Examples", f"```yaml\n{found['EXAMPLES'].strip()}\n```"]
    parts += ["## Returns", items(yaml.safe_load(found["RETURN"]) or {})]
    return page(parts)


def documentation(path: Path) -> dict[str, str]:
    """Return the strings that a plugin, or the class of a fragment, assigns to DOCUMENTATION, EXAMPLES and RETURN."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        ):
            found[node.targets[0].id] = str(node.value.value)
    return found


def role_page(path: Path) -> str:
    """Return the page of a role: its entry points, and each set of variables once."""
    specs = load(f"roles/{path.name}/meta/argument_specs.yml")["argument_specs"]
    parts = [NOTE, f"# {COLLECTION}.{path.name}"]
    first: dict[str, Any] = {}
    for name, spec in specs.items():
        use = "" if name == "main" else f" Use it with `tasks_from: {name}`."
        parts += [f"## {name}", f"{marked(spec['short_description'])}.{use}", paragraphs(spec.get("description"))]
        same = next((other for other, options in first.items() if options == spec["options"]), None)
        first.setdefault(name, spec["options"])
        parts.append(f"Variables: those of [{same}](#{same})." if same else items(spec["options"]))
    return page(parts)


def items(options: Mapping[str, Mapping[str, Any]], indent: str = "") -> str:
    """Return options or return values as a nested list."""
    lines = []
    for name, option in options.items():
        text = " ".join(marked(line) for line in as_list(option.get("description")))
        lines.append(f"{indent}- **`{name}`** ({', '.join(traits(option))}): {text}".removesuffix(": "))
        for key in SUB_KEYS:
            if option.get(key):
                lines.append(items(option[key], indent + "  ").rstrip("\n"))
    return "\n".join(lines) + "\n"


def traits(option: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is short about an option: its type, its default, its choices, or when a value is returned."""
    yield f"list of {option['elements']}" if option.get("elements") else str(option.get("type", "str"))
    if option.get("required"):
        yield "required"
    if option.get("choices"):
        yield "one of " + ", ".join(f"`{choice}`" for choice in option["choices"])
    if option.get("default") not in (None, "", [], {}):
        yield f"default `{plain(option['default'])}`"
    if option.get("returned"):
        yield f"returned: {marked(option['returned'])}"


def plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def paragraphs(value: Any) -> str:
    return "\n\n".join(marked(line) for line in as_list(value))


def marked(text: str) -> str:
    """Turn Ansible's markup into Markdown."""

    def replace(match: re.Match[str]) -> str:
        style = STYLES.get(match["kind"], "`")
        # An option of another module is written as MODULE#module:option.
        return style + re.sub(r"\\(.)", r"\1", match["text"]).replace("#module:", ": ") + style

    return MARKUP.sub(replace, " ".join(str(text).split()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
