"""
Keep a release for the tests of upgrades: its code, and stores that it has made.

    python scripts/make_release.py dist/eventfold-0.1.0-py3-none-any.whl

To be run once for each release, with the wheel that was published. It makes tests/upgrade/releases/VERSION with the
wheel (without the demo's data), a store's file, a dump of a server's store, and what is in them: events.jsonl.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import start_postgres  # noqa: E402 - the tests are no package of ours

RELEASES = ROOT / "tests" / "upgrade" / "releases"
PROGRAM = ROOT / "tests" / "upgrade" / "program.py"
LEFT_OUT = (".csv.gz",)
_A_DAY = (2026, 1, 1, 0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep a release for the tests of upgrades.")
    parser.add_argument("wheel", type=Path)
    arguments = parser.parse_args()
    wheel: Path = arguments.wheel
    folder = RELEASES / wheel.name.split("-")[1]
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / wheel.name
    strip(wheel, kept)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "store.db"
        in_file = filled(kept, f"sqlite:///{file}")
        (folder / "store.db").write_bytes(file.read_bytes())
    with start_postgres() as server:
        on_server = filled(kept, server.url)
        dump = server.run("pg_dump", "-d", server.url, "--no-owner", "--no-privileges", "--inserts")
    if in_file != on_server:
        raise SystemExit("the file and the server hold different events")
    (folder / "store.sql").write_text(for_any_server(dump), encoding="utf-8")
    (folder / "events.jsonl").write_text(in_file, encoding="utf-8")
    print(f"{folder.relative_to(ROOT)}: {len(in_file.splitlines())} events")


def strip(wheel: Path, to: Path) -> None:
    """The wheel without data that no test needs; the same wheel gives the same bytes. RECORD tells the truth."""
    with zipfile.ZipFile(wheel) as source:
        (record,) = (name for name in source.namelist() if name.endswith(".dist-info/RECORD"))
        files = {
            name: source.read(name) for name in source.namelist() if name != record and not name.endswith(LEFT_OUT)
        }
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for name, content in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([record, "", ""])
    files[record] = lines.getvalue().encode()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name, _A_DAY), content, zipfile.ZIP_DEFLATED, 9)


def filled(wheel: Path, url: str) -> str:
    """Let the release fill a store; what it has read of it then."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), url, "fill"],
        env=os.environ | {"PYTHONPATH": str(wheel)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def for_any_server(dump: str) -> str:
    """Without the words that only psql, or only the newest server, understands."""
    lines = [
        line
        for line in dump.splitlines()
        if not line.startswith(("\\", "--", "SET ")) or line.startswith("SET check_function_bodies")
    ]
    text = "\n".join(lines) + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"


if __name__ == "__main__":
    main()
