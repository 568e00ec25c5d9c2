"""
Write src/eventfold/sync/face.py from the asynchronous face: `python scripts/sync_face.py`, and `--check` compares.

Each public method becomes one call of the portal with the same signature.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "eventfold" / "sync" / "face.py"
CLASSES = {  # and what is left out: it belongs to the loop, or to whoever closes the application
    "Locked": ("commands/locking.py", {"end"}),
    "Joined": ("commands/joining.py", {"finish", "judge", "takes_several_steps", "end"}),
    "Administering": ("bootstrap/administering.py", set[str]()),
    "AsOf": ("bootstrap/projections.py", set[str]()),
    "Projections": ("bootstrap/projections.py", set[str]()),
    "Running": ("bootstrap/running.py", {"source", "sink", "settled", "entity"}),
}
WITH, ITERATORS = "AbstractAsyncContextManager", {"AsyncIterator", "AsyncGenerator"}
OWN_BODY = {
    ("Running", "context"): "return context(correlation_id, causation_id, metadata or {})",
    ("Running", "query"): """if into is None:
        return self._caller.call(self._face.query(select, params))
    return self._caller.call(self._face.query(select, params, into=into))""",
}
PORTAL = '''
    def close(self) -> None:
        """
        Close the store and end the thread; commands in hand are finished. A second time it does nothing.

        Afterwards every method raises StoreClosed.
        """
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_the_block: object) -> None:
        self.close()

    @property
    def projections(self) -> Projections:
        return Projections(self._caller, self._face.projections)

    @property
    def new_id(self) -> Callable[[], UUID]:
        return self._face.new_id
'''
HEAD = '''"""Written by scripts/sync_face.py from the asynchronous face. Do not edit."""

from __future__ import annotations

'''


def written() -> str:
    imports: dict[str, str] = {}
    for_types: dict[str, str] = {}
    bodies: list[str] = []
    for name, (path, skipped) in CLASSES.items():
        module = ast.parse((ROOT / "src" / "eventfold" / path).read_text(encoding="utf-8"))
        imports |= dict(imported(module))
        of = "eventfold." + path.removesuffix(".py").replace("/", ".")
        imports[f"Async{name}"] = f"from {of} import {name} as Async{name}"
        for each in module.body:
            match each:
                case ast.If(body=guarded):
                    for_types |= dict(imported(ast.Module(guarded, [])))
                case ast.ClassDef(name=found) if found == name:
                    bodies.append(synchronous(each, skipped))
                case ast.ClassDef(name=found) if found not in CLASSES and not found.startswith("_"):
                    imports[found] = f"from {of} import {found}"
                case _:
                    pass
    text = "\n\n".join(bodies)
    imports |= {
        "Self": "from typing import Self",
        "Iterator": "from collections.abc import Iterator",
        "Callable": "from collections.abc import Callable",
        "AbstractContextManager": "from contextlib import AbstractContextManager",
        "Following": "from eventfold.sync.portal import Following",
        "Portal": "from eventfold.sync.portal import Portal",
        "Caller": "from eventfold.sync.portal import Caller",
        "context": "from eventfold.commands.context import context",
        "UUID": "from uuid import UUID",
        "overload": "from typing import overload",
    }
    used = {each.id for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Name)}
    variables = sorted(each for each in used if len(each) == 1 and each.isupper())
    needed = sorted({imports[each] for each in used if each in imports} - {imports.get(each, "") for each in CLASSES})
    lines = [*needed, "from typing import TYPE_CHECKING, Generic, TypeVar"]
    later = "if TYPE_CHECKING:\n" + "".join(f"    {for_types[each]}\n" for each in sorted(used & {*for_types}))
    exported = f"__all__ = {sorted(CLASSES)}\n"
    typed = "".join(f'{each} = TypeVar("{each}")\n' for each in variables)
    return formatted(HEAD + "\n".join(lines) + f"\n\n{later}\n{exported}\n{typed}\n\n{text}\n")


def imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    for each in module.body:
        if isinstance(each, ast.ImportFrom) and each.module not in {"typing", "__future__"}:
            for name in each.names:
                yield name.asname or name.name, f"from {each.module} import {ast.unparse(name)}"
        elif isinstance(each, ast.ImportFrom) and each.module == "typing":
            for name in each.names:
                if name.name not in {"TYPE_CHECKING", "Generic", "TypeVar"}:
                    yield name.name, f"from typing import {name.name}"


def synchronous(cls: ast.ClassDef, skipped: set[str]) -> str:
    parameters = next((ast.unparse(each) for each in cls.bases if isinstance(each, ast.Subscript)), "")
    variables = parameters.removeprefix("Generic")
    caller = "Portal[Any]" if cls.name in {"Running", "Projections"} else "Caller"
    lines = [
        f"class {cls.name}{f'({parameters})' if parameters else ''}:",
        documented(ast.get_docstring(cls)),
        f"    def __init__(self, caller: {caller}, face: Async{cls.name}{variables}) -> None:",
        "        self._caller = caller",
        "        self._face = face",
    ]
    if cls.name == "Running":
        lines.append(PORTAL)
    for each in cls.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_"):
            lines += ["", *indented(method(cls.name, each))] * (each.name not in skipped)
    return "\n".join(lines)


def method(cls: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    decorators = [ast.unparse(each) for each in function.decorator_list]
    arguments, returns = function.args, function.returns
    assert returns is not None
    told, body = ast.unparse(returns), f"self._face.{function.name}"
    is_property = "property" in decorators
    asked = body if is_property else f"{body}({passed(arguments)})"
    origin = returns.value if isinstance(returns, ast.Subscript) else None
    kind = origin.id if isinstance(origin, ast.Name) else ""
    if kind == WITH or "asynccontextmanager" in decorators:
        assert isinstance(returns, ast.Subscript)
        inner = ast.unparse(returns.slice).replace("AsyncIterator", "Iterator")
        face = "Following" if inner.startswith("Iterator") else inner.partition("[")[0]
        told = f"AbstractContextManager[{inner}]"
        statement = f"return self._caller.block({asked}, {face})"
    elif kind in ITERATORS:
        assert isinstance(returns, ast.Subscript)
        of = returns.slice.elts[0] if isinstance(returns.slice, ast.Tuple) else returns.slice
        told, statement = f"Iterator[{ast.unparse(of)}]", f"return Following(self._caller, {asked})"
    elif told in CLASSES:
        statement = f"return {told}(self._caller, {asked})"
    elif isinstance(function, ast.AsyncFunctionDef):
        statement = f"return self._caller.call({asked})" if told != "None" else f"self._caller.call({asked})"
    else:
        statement = f"return {asked}"
    statement = OWN_BODY.get((cls, function.name), statement)
    kept = [f"@{each}" for each in decorators if each in {"overload", "property"}]
    head = f"def {function.name}({ast.unparse(arguments)}) -> {told}:"
    if "overload" in decorators:
        return "\n".join([*kept, head, "    ..."])
    return "\n".join([*kept, head, documented(ast.get_docstring(function)), f"    {statement}"])


def passed(arguments: ast.arguments) -> str:
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args) if each.arg != "self"]
    rest = [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    return ", ".join([*positional, *rest, *(f"{each.arg}={each.arg}" for each in arguments.kwonlyargs)])


def documented(text: str | None) -> str:
    if text is None:
        return ""
    for before, after in (("async with", "with"), ("async for", "for"), ("await ", "")):
        text = text.replace(before, after)
    lines = text.splitlines()
    if len(lines) == 1:
        return f'    """{text}"""'
    return "\n".join(f"    {line}".rstrip() for line in ('"""', *lines, '"""'))


def indented(text: str) -> Iterator[str]:
    return (f"    {line}".rstrip() for line in text.splitlines())


def formatted(text: str) -> str:
    for command in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format", "--quiet"]):
        ruff = [str(Path(sys.executable).parent / "ruff"), *command, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    text = written()
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        print(f"{TARGET.relative_to(ROOT)} is not what the asynchronous face asks for: python scripts/sync_face.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
