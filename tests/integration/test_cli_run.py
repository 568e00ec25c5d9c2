"""`eventfold run` on the command line: what is refused, in words and with which exit code; what it prints."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runners import PATIENCE, ROOT

RUN = [sys.executable, "-m", "eventfold", "run"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "--app"),
        (["--app", "tests.staff"], 3, "--app 'tests.staff' cannot be loaded: write module:app"),
        (["--app", "tests.stuff:app"], 3, "there is no module 'tests.stuff'"),
        (["--app", "tests.staff:apb"], 3, "tests.staff has no 'apb'; did you mean 'app'?"),
        (["--app", "tests.staff:make"], 3, "if it makes one, write tests.staff:make()"),
        (["--app", "tests.staff:app", "--only", "stok"], 2, "has no processor 'stok'; did you mean 'stock'?"),
        (["--app", "tests.staff:app", "--only", "x,stock"], 2, "has no processor 'x'; there are 'stock', 'mails'"),
        (["--app", "tests.staff:app", "--processes", "stock"], 2, "--processes stock: write NAME=NUMBER"),
        (["--app", "tests.staff:app", "--processes", "stock=0"], 2, "0 processes for 'stock': between 1 and 1000"),
        (["--app", "tests.staff:app", "--processes", "mials=2"], 2, "no processor 'mials'; did you mean 'mails'?"),
        (
            ["--app", "tests.staff:app", "--only", "stock", "--processes", "mails=2"],
            2,
            "processes for 'mails', which is not among those to run",
        ),
        (["--app", "tests.staff:app", "--drain", "10"], 2, "--drain: '10' is no duration; write 200ms, 5s, 2m or 1h"),
        (["--app", "tests.staff:app", "--drain", "40s"], 2, "40s to drain: not more than the 30s"),
        (["--app", "tests.staff:app", "--lease", "0s"], 2, "a lease of 0s: at least 0.3s"),
        (["--app", "tests.staff:app", "--store", "memory:"], 2, "every process would have a store of its own"),
        (["--app", "tests.staff:app", "--store", "mysql://x"], 2, "'mysql' is no kind of store"),
        (["--app", "tests.staff:app", "--store", "sqlite:////nowhere/at/all.db"], 4, "nowhere"),
        (["--app", "tests.staff:app", "--health-port", "70000"], 2, "health port 70000: between 0 and 65535"),
        (["--app", "tests.staff:app", "--health-port", "0", "--health-token", ""], 2, "the health token has to be"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_refused_starts_nothing(arguments: list[str], code: int, sentence: str, store: str) -> None:
    done = run(*arguments, EVENTFOLD_STORE=store)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("eventfold: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_application_whose_import_fails_is_shown_with_its_traceback(store: str, tmp_path: Path) -> None:
    (tmp_path / "broken_shop.py").write_text("import no_such_library\n", encoding="utf-8")
    done = run("--app", "broken_shop:app", "--store", store, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3
    assert 'broken_shop.py", line 1, in <module>' in done.stderr
    assert "eventfold: --app 'broken_shop:app' cannot be loaded: importing it failed: ModuleNotFound" in done.stderr


@pytest.mark.parametrize("missing", ["uvicorn", "starlette"])
def test_a_health_port_without_the_library_says_what_to_install(missing: str, store: str, tmp_path: Path) -> None:
    hide = f"import sys; sys.modules[{missing!r}] = None; from eventfold.cli import main; main()"
    command = [sys.executable, "-c", hide, "run", "--app", "tests.staff:app", "--store", store, "--health-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert f"a health port needs {missing}, which is not installed: pip install 'eventfold[web]'" in done.stderr


def test_an_application_without_processors_has_nothing_to_run(store: str, tmp_path: Path) -> None:
    (tmp_path / "empty_shop.py").write_text("from eventfold import Eventfold\napp = Eventfold()\n", encoding="utf-8")
    done = run("--app", "empty_shop:app", "--store", store, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "has no processor to run" in done.stderr


def test_without_json_it_speaks_in_sentences(store: str, tmp_path: Path) -> None:
    command = [*RUN, "--app", "tests.staff:make()", "--store", store]
    environment = {**os.environ, "RUNNER_LOG": str(tmp_path / "notes.txt")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    text = re.sub(r"process \d+", "process N", "".join(said) + rest)
    assert text.splitlines() == [
        "stock (process N) starts",
        "stock (process N) is ready",
        "stopping because of SIGTERM: children finish what is in hand; once more ends them at once",
        "stock (process N) ended, exit status 0",
        "done, exit status 0",
    ]


def test_nobody_who_listens_is_no_reason_to_stop(store: str, tmp_path: Path) -> None:
    """The reader of its output goes away; it goes on, and stops well."""
    command = [*RUN, "--app", "tests.staff:make()", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert "starts" in process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(PATIENCE) == 0, errors
    assert errors == ""
