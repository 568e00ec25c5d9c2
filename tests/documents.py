"""
README.md and docs/**/*.md are tests: one for each document.

Blocks of `python` share one namespace and one event loop, top to bottom, in a working directory of their own, and may
use `await` at top level. A block with a title (```python title="bookstore/domain.py") is written to that file,
imported, and its names join the namespace. In blocks of `console` every line `$ eventfold …` is run and must exit 0.
A block is left out only by a comment just above it that says why: <!-- skip: needs a Kafka broker -->
A page that asks its environment for DATABASE_URL gets an empty database of a real PostgreSQL server there.
"""

import ast
import asyncio
import contextlib
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)(?P<info>[^`]*)$")
SKIP = re.compile(r"<!--\s*skip\b:?\s*(?P<reason>.*?)\s*-->\s*$")
TITLE = re.compile(r'title="([^"]+\.py)"')
SHELL_WORDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>"}
CLI = [sys.executable, "-c", "import sys; from eventfold.cli import main; sys.exit(main())"]
LONGEST_COMMAND = 120.0
DATABASE = "DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    info: str
    text: str
    line: int  # of the first line of text, from 1


class DocumentError(Exception):
    """A document that cannot be run, with its line."""


def blocks(markdown: str) -> Iterator[Block]:
    """Fenced blocks of python and console that are to be run."""
    lines = iter(enumerate(markdown.splitlines(), start=1))
    skipped = False
    for number, line in lines:
        if found := SKIP.search(line):
            if not found["reason"]:
                raise DocumentError(f"line {number}: a skip says why: <!-- skip: the reason -->")
            skipped = True
        elif opening := FENCE.match(line):
            closing = re.compile(rf"^ *{opening['fence'][0]}{{{len(opening['fence'])},}} *$")
            body = [text.removeprefix(opening["indent"]) for _, text in until(lines, closing)]
            if not skipped and opening["language"] in {"python", "py", "console"}:
                yield Block(opening["language"], opening["info"], "\n".join(body) + "\n", number + 1)
            skipped = False
        elif line.strip():
            skipped = False


def until(lines: Iterator[tuple[int, str]], closing: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        if closing.match(line):
            return
        yield number, line
    raise DocumentError("the last fenced block is never closed")


class Document(pytest.File):
    def collect(self) -> Iterable[pytest.Item]:
        if list(blocks(self.path.read_text(encoding="utf-8"))):
            yield Snippets.from_parent(self, name="snippets")


class Snippets(pytest.Item):
    def runtest(self) -> None:
        asks = f'environ["{DATABASE}"]' in self.path.read_text(encoding="utf-8")
        with (
            tempfile.TemporaryDirectory(prefix=f"{self.path.stem}-") as directory,
            a_database() if asks else contextlib.nullcontext(),
        ):
            run_document(self.path, Path(directory).resolve())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, DocumentError):
            return f"{self.path}: {excinfo.value}"
        frames = traceback.extract_tb(excinfo.tb)
        first = next((index for index, frame in enumerate(frames) if frame.filename == str(self.path)), 0)
        kept = "".join(traceback.format_list(frames[first:]))
        return kept + "".join(traceback.format_exception_only(excinfo.value))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.path.name


@contextlib.contextmanager
def a_database() -> Iterator[None]:
    """Of its own, so that a page may say `public` and mean it."""
    from tests.postgres import some_postgres  # later: pytest wants to rewrite its assertions first

    before, name = os.environ.get(DATABASE), f"page_{uuid.uuid4().hex[:12]}"
    with some_postgres() as server:
        server.execute(f"CREATE DATABASE {name}")
        os.environ[DATABASE] = urlsplit(server.url)._replace(path=f"/{name}").geturl()
        try:
            yield
        finally:
            if before is None:
                del os.environ[DATABASE]
            else:
                os.environ[DATABASE] = before
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run_document(path: Path, directory: Path) -> None:
    module = ModuleType("document_" + re.sub(r"\W", "_", path.stem))
    module.__file__ = str(path)
    before = set(sys.modules)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(directory))
    try:
        with contextlib.chdir(directory), asyncio.Runner() as runner:
            for block in blocks(path.read_text(encoding="utf-8")):
                run_block(block, module, path, runner)
    finally:
        sys.path.remove(str(directory))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None) or ""
            if name == module.__name__ or origin.startswith(str(directory)):
                del sys.modules[name]


def run_block(block: Block, module: ModuleType, path: Path, runner: asyncio.Runner) -> None:
    if block.language == "console":
        for line, command in commands(block):
            run_command(command, f"line {line}")
    elif title := TITLE.search(block.info):
        module.__dict__.update(written_and_imported(title[1], block.text))
    else:
        # Empty lines in front make the lines of a traceback those of the document.
        code = compile(
            "\n" * (block.line - 1) + block.text,
            str(path),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(eval(code, module.__dict__))
        else:
            exec(code, module.__dict__)


def written_and_imported(title: str, text: str) -> dict[str, Any]:
    file = Path(title)
    if file.is_absolute() or ".." in file.parts:
        raise DocumentError(f"{title}: a title is a file below the working directory")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    name = ".".join(file.with_suffix("").parts)
    sys.modules.pop(name, None)  # the same title twice: the later text replaces the earlier
    forget_elsewhere(name.partition(".")[0])
    imported = importlib.import_module(name)
    return {key: value for key, value in vars(imported).items() if not key.startswith("__")}


def forget_elsewhere(root: str) -> None:
    """Another document may have had a module, or a package, of that name in its own directory."""
    places = getattr(sys.modules.get(root), "__path__", ())
    if not any(Path(place).is_relative_to(Path.cwd()) for place in places):
        for known in [each for each in sys.modules if each == root or each.startswith(f"{root}.")]:
            del sys.modules[known]


def commands(block: Block) -> Iterator[tuple[int, list[str]]]:
    text = block.text.replace("\\\n", "  ")
    for offset, line in enumerate(text.splitlines()):
        if line.startswith("$ eventfold"):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if SHELL_WORDS.intersection(words):
                raise DocumentError(f"line {block.line + offset}: only plain `eventfold …` commands are run: {line}")
            yield block.line + offset, words[1:]


def run_command(arguments: list[str], where: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "NO_COLOR": "1", "COLUMNS": "120"}
    done = subprocess.run(
        CLI + arguments,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_COMMAND,
    )
    print(done.stdout, end="")
    if done.returncode != 0:
        shown = shlex.join(["eventfold", *arguments])
        raise DocumentError(f"{where}: `{shown}` exited {done.returncode}\n{done.stdout}{done.stderr}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return Document.from_parent(parent, path=file_path) if file_path.suffix == ".md" else None
