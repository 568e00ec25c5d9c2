"""Compile `pyproject.toml` into pinned and hashed requirements, without a single address in them."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = [
    "pip",
    "compile",
    "pyproject.toml",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-header",
    "-q",
]


def main(arguments: list[str]) -> int:
    uv = shutil.which("uv")
    if uv is None:
        print("lock: uv is not on PATH; `pip install uv` into an environment of its own is enough", file=sys.stderr)
        return 1
    subprocess.run(
        [uv, *COMPILE, "--group", "dev", "--extra", "testing", *arguments, "-o", "requirements-dev.txt"],
        cwd=ROOT,
        check=True,
    )
    # What a demo runs on is what was tested: its versions come from the larger file.
    subprocess.run(
        [uv, *COMPILE, "--group", "build", "-c", "requirements-dev.txt", "-o", "requirements-demo.txt"],
        cwd=ROOT,
        check=True,
    )
    for name in ("requirements-dev.txt", "requirements-demo.txt"):
        if "://" in (ROOT / name).read_text(encoding="utf-8"):
            print(f"lock: {name} holds an address", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
