"""The house around the source: the door, the import weight, the documents, the scripts."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eventfold
from scripts import acceptance, changelog, refuse
from tests import documents

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
API_PAGE = ROOT / "docs" / "reference" / "api.md"


# -- the public door


def test_importing_eventfold_imports_no_driver_and_no_framework() -> None:
    heavy = {"aio_pika", "aiokafka", "apsw", "asyncpg", "cyclopts", "nats", "opentelemetry", "pytest", "redis", "rich"}
    heavy |= {"sqlalchemy", "starlette", "uvicorn"}
    program = "import json, sys, eventfold; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert heavy.isdisjoint(json.loads(loaded))


def test_the_reference_lists_exactly_the_names_of_the_door() -> None:
    listed = re.search(r"<!-- names -->(.*)<!-- /names -->", API_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert listed, f"{API_PAGE.name} holds its list between <!-- names --> and <!-- /names -->"
    assert sorted(re.findall(r"^- `(\w+)`", listed[1], re.MULTILINE)) == sorted(eventfold.__all__)


def test_every_name_of_the_door_can_be_had() -> None:
    assert [name for name in eventfold.__all__ if not hasattr(eventfold, name)] == []
    assert len(set(eventfold.__all__)) == len(eventfold.__all__)


# -- the repository


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT)], capture_output=True, text=True, check=True
    )
    assert {line.split()[0] for line in shown.stdout.splitlines()} == targets
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == targets


@pytest.mark.parametrize("name", ["requirements-demo.txt", "requirements-dev.txt"])
def test_locked_requirements_are_hashed_and_hold_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_demo_runs_on_versions_that_were_tested() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    assert pins("requirements-demo.txt") <= pins("requirements-dev.txt")


# -- documents that run


def run(directory: Path, markdown: str) -> None:
    page = directory / "page.md"
    page.write_text(markdown, encoding="utf-8")
    work = directory / "work"
    work.mkdir()
    documents.run_document(page, work)


def test_the_blocks_of_a_document_share_a_namespace_and_a_loop(tmp_path: Path) -> None:
    run(
        tmp_path,
        "```python\nimport asyncio\nqueue = asyncio.Queue()\nawait queue.put(1)\n"
        "loop = asyncio.get_running_loop()\n```\nthen\n```python\n"
        "assert await queue.get() == 1\nassert loop is asyncio.get_running_loop()\n```\n",
    )


def test_a_failing_block_is_named_by_its_line_in_the_document(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as failure:
        run(tmp_path, "# page\n\n```python\nx = 1\nx / 0\n```\n")
    assert failure.traceback[-1].lineno == 4  # counted from 0


def test_a_titled_block_becomes_a_file_that_later_blocks_import(tmp_path: Path) -> None:
    shop = "from dataclasses import dataclass\n@dataclass\nclass Bought:\n    copies: int\n"
    titled = f'```python title="shop/domain.py"\n{shop}```\n'
    run(tmp_path, titled + "```python\nimport shop.domain\nassert Bought(1) == shop.domain.Bought(1)\n```\n")
    assert (tmp_path / "work" / "shop" / "domain.py").exists()
    assert "shop.domain" not in sys.modules


def test_a_block_is_skipped_only_with_a_reason() -> None:
    assert list(documents.blocks("<!-- skip: needs a broker -->\n\n```python\n1 / 0\n```\n")) == []
    with pytest.raises(documents.DocumentError, match="a skip says why"):
        list(documents.blocks("<!-- skip -->\n```python\n1 / 0\n```\n"))


def test_a_skip_holds_for_one_block_only() -> None:
    left = documents.blocks(
        "<!-- skip: why -->\n```python\na\n```\n```python\nb\n```\n<!-- skip: x -->\nwords\n```python\nc\n```\n"
    )
    assert [block.text for block in left] == ["b\n", "c\n"]


def test_other_languages_and_nested_fences_are_left_alone() -> None:
    assert list(documents.blocks("```bash\nx\n```\n````markdown\n```python\nx\n```\n````\n")) == []


def test_a_fence_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(documents.DocumentError, match="never closed"):
        list(documents.blocks("```python\nx = 1\n"))


def test_a_console_block_runs_the_command_line(tmp_path: Path) -> None:
    run(tmp_path, "```console\n$ pip install eventfold\n$ eventfold --help\nUsage: …\n```\n")
    with pytest.raises(documents.DocumentError, match="line 2: `eventfold no-such-command` exited"):
        documents.run_command(["no-such-command"], "line 2")


# -- tests that want a server


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest('pytest_plugins = ["tests.servers"]')
    pytester.makepyfile(
        """
        from tests.servers import require_server

        def test_here(): pass
        def test_there(): require_server("postgres", "not on PATH")
        """
    )
    return pytester


WORKERS = pytest.mark.parametrize("workers", [("-p", "no:xdist"), ("-n", "2")], ids=["alone", "two workers"])


@WORKERS
def test_a_missing_server_is_counted_in_the_last_line(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = suite.runpytest_subprocess(*workers)
    result.stdout.fnmatch_lines(["*these servers were missing*", "*1  postgres (not on PATH)"])
    assert re.search(r"1 passed, 1 skipped for want of a server in", result.outlines[-1])


@WORKERS
def test_a_missing_server_fails_in_ci(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, str]
) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_subprocess(*workers)
    result.stdout.fnmatch_lines(["postgres is missing, and CI skips nothing: not on PATH"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


# -- scripts


@pytest.mark.parametrize(
    ("node_id", "rows"),
    [
        ("t.py::test_c5_positions_grow", ["C5"]),
        ("t.py::test_c3_g02_one_writer_wins[sqlite-c9]", ["C3", "G-02"]),
        ("t.py::test_trap1_by_type", ["trap1"]),
        ("t.py::test_fm07_lost_acknowledgement", ["FM-07"]),
        ("t.py::test_g5_view_from_zero", ["G5"]),
        ("t.py::TestC16G01Suite::test_a_batch_lands_whole", ["C16", "G-01"]),
        ("t.py::TestMemoryStore::test_c1_versions", ["C1"]),
        ("t.py::TestAppend::test_an_a1_in_the_middle", []),
    ],
)
def test_a_test_carries_the_ids_it_begins_with(node_id: str, rows: list[str]) -> None:
    assert list(acceptance.ids_of(node_id)) == rows


def test_an_inherited_test_counts_once_in_each_class() -> None:
    nodes = ["t.py::TestMemory::test_c1_x[a]", "t.py::TestMemory::test_c1_x[b]", "t.py::TestSQLite::test_c1_x"]
    assert acceptance.tests_by_id(nodes) == {"C1": ["t.py::TestMemory::test_c1_x", "t.py::TestSQLite::test_c1_x"]}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\n",
        "from pickle import loads\n",
        "eval('1')\n",
        "try:\n    x()\nexcept:\n    y()\n",
        "try:\n    x()\nexcept Exception:\n    pass\n",
        "for a in b:\n    try:\n        x()\n    except (ValueError, BaseException):\n        continue\n",
        "x = 1  # type: ignore\n",
        "x = 1  # type: ignore[misc]\n",
        "x = 1  # pyright: ignore[reportAny]\n",
        "x = f'SELECT {y}'  # noqa: S608\n",
    ],
)
def test_banned_things_are_refused(source: str) -> None:
    assert list(refuse.refuse(source, "module.py"))


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    x()\nexcept Exception as error:\n    raise Failed from error\n",
        "try:\n    x()\nexcept KeyError:\n    pass\n",
        "x = 1  # type: ignore[misc]  # the driver has no types\n",
        "x = f'SELECT {y}'  # noqa: S608  # y is one of our own names\n",
        "x = f'SELECT {y}'  # noqa: S608 - fixed fragments\n",
        "pattern = re.compile('x')\n",
    ],
)
def test_what_has_a_reason_passes(source: str) -> None:
    assert list(refuse.refuse(source, "module.py")) == []


def test_fragments_are_joined_under_their_heading(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a fragment", encoding="utf-8")
    (tmp_path / "two.added.md").write_text("Second thing.\n", encoding="utf-8")
    (tmp_path / "one.added.md").write_text("First thing,\non two lines.\n", encoding="utf-8")
    (tmp_path / "x.fixed.md").write_text("A repair.\n", encoding="utf-8")
    section = changelog.section("1.2.0", "2030-01-02", changelog.fragments(tmp_path))
    added = "### Added\n\n- First thing,\n  on two lines.\n- Second thing.\n\n"
    assert section == f"## 1.2.0 (2030-01-02)\n\n{added}### Fixed\n\n- A repair.\n"


def test_a_fragment_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.improved.md").write_text("Better.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"x\.improved\.md"):
        changelog.fragments(tmp_path)


def test_every_fragment_in_the_repository_can_be_joined() -> None:
    changelog.fragments(ROOT / "changelog.d")
