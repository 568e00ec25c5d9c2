"""
Refuse what has no place in the source, beyond what ruff can say.

pickle and its kin · eval, exec and compile outside the list below · a bare except, and a broad one that does nothing ·
a checker told to be quiet without a code and a reason · ruff's rule on glued SQL silenced without a reason.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

RUNS_WHAT_IT_READS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "jsonpickle", "marshal", "shelve"}
RUNS_TEXT = {"eval", "exec", "compile"}
BROAD = {"Exception", "BaseException"}

ALLOWED: dict[str, str] = {
    # "src/eventfold/module.py": "why text is run here, and where the text comes from",
}

IGNORE = re.compile(r"#\s*(?:type|pyright|mypy):\s*ignore")
IGNORE_IN_FULL = re.compile(
    r"#\s*(?:type|pyright):\s*ignore\[[\w-]+(?:,\s*[\w-]+)*\]\s*(?:#\s*noqa: [\w, ]+)?#\s*\S.*\S"
)
SQL_SILENCED = re.compile(r"#\s*noqa:.*\bS608\b")
SQL_SILENCED_IN_FULL = re.compile(r"#\s*noqa:[\w, ]*\bS608\b[\w, ]*[#-]\s*\S.*\S")

Finding = tuple[int, str]


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]).resolve() if arguments else ROOT / "src"
    found = 0
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()
        for line, message in sorted(refuse(path.read_text(encoding="utf-8"), name)):
            print(f"{name}:{line}: {message}")
            found += 1
    return 1 if found else 0


def refuse(source: str, name: str) -> Iterator[Finding]:
    yield from refused_code(ast.parse(source), allowed=name in ALLOWED)
    yield from refused_comments(source)


def refused_code(tree: ast.Module, *, allowed: bool) -> Iterator[Finding]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name.split(".")[0] in RUNS_WHAT_IT_READS:
                        yield node.lineno, f"{alias.name} runs code that it reads; use a codec"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNS_WHAT_IT_READS:
                yield node.lineno, f"{module} runs code that it reads; use a codec"
            case ast.Call(func=ast.Name(id=called)) if called in RUNS_TEXT and not allowed:
                yield node.lineno, f"{called}() outside the list in scripts/refuse.py"
            case ast.ExceptHandler(type=None):
                yield node.lineno, "a bare except also swallows cancellation; name what is expected"
            case ast.ExceptHandler(type=kind, body=body) if kind is not None and is_broad(kind) and does_nothing(body):
                yield node.lineno, "every failure swallowed; let it out, or say what is done about it"
            case _:
                pass


def is_broad(kind: ast.expr) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(one, ast.Name) and one.id in BROAD for one in kinds)


def does_nothing(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(statement, ast.Pass | ast.Continue)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in body
    )


def refused_comments(source: str) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if IGNORE.search(token.string) and not IGNORE_IN_FULL.search(token.string):
            yield token.start[0], "an ignore says which code and why: `# type: ignore[code]  # the reason`"
        if SQL_SILENCED.search(token.string) and not SQL_SILENCED_IN_FULL.search(token.string):
            yield token.start[0], "SQL from pieces says why it is safe: `# noqa: S608  # the reason`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
