"""
Make `.venv` what a profile asks for: `python3 scripts/bootstrap.py demo` or `… dev`.

Standard library only, and readable by an old Python, because it runs before anything is installed.
A stamp inside `.venv` is written last: no stamp means an interrupted run, and the environment is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "eventfold-stamp.json"
PROFILES = ("demo", "dev")  # each holds the one before
FLOOR = (3, 11)
NEWER = ("python3.13", "python3.12", "python3.11", "python3.14")

PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"
PROBE_VENV = "import ensurepip, venv"


class Refused(Exception):
    """The environment cannot be made; the text says what to do."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PROFILES:
        print("usage: python3 scripts/bootstrap.py " + "|".join(PROFILES), file=sys.stderr)
        return 2
    profile = arguments[0]
    if is_ready(profile):
        return 0
    with Path(__file__).open() as lock:  # two calls at once: the second waits, then finds the work done
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(profile):
            return 0
        try:
            make(profile)
        except Refused as refusal:
            print(f"bootstrap: {refusal}", file=sys.stderr)
            return 1
    return 0


def is_ready(profile: str) -> bool:
    stamp = read_stamp()
    installed = stamp.get("profile")
    return installed in PROFILES[PROFILES.index(profile) :] and is_whole() and stamp == stamp_of(installed)


def is_whole() -> bool:
    return PYTHON.exists() and (VENV / "bin" / "eventfold").exists()


def read_stamp() -> dict[str, str]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def stamp_of(profile: str) -> dict[str, str]:
    digest = hashlib.sha256()
    for path in (requirements(profile), ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    version = ".".join(str(part) for part in sys.version_info[:3])
    # The root is part of it: an environment holds absolute paths and does not survive a move.
    return {"profile": profile, "content": digest.hexdigest(), "python": version, "root": str(ROOT)}


def requirements(profile: str) -> Path:
    return ROOT / f"requirements-{profile}.txt"


def make(profile: str) -> None:
    started = time.monotonic()
    before = read_stamp()
    uv = shutil.which("uv")
    if before.get("profile") == "dev":
        profile = "dev"  # what is there stays there
    if STAMP.exists():
        STAMP.unlink()
    wanted = stamp_of(profile)
    kept = all(before.get(key) == wanted[key] for key in ("root", "python"))
    try:
        fill(profile, uv, kept=kept)
    except Refused:
        if uv is None:
            raise
        say("that did not work with uv; once more without it")
        fill(profile, None, kept=False)
    unfinished = STAMP.with_suffix(".new")
    unfinished.write_text(json.dumps(wanted), encoding="utf-8")
    unfinished.replace(STAMP)
    say(f"ready in {time.monotonic() - started:.0f} s")


def fill(profile: str, uv: str | None, *, kept: bool) -> None:
    if not (kept and can_be_kept(uv)):
        create(uv)
    say("installing what `{}` needs with {}".format(profile, "uv" if uv else "pip, which takes a little longer"))
    install(profile, uv)


def can_be_kept(uv: str | None) -> bool:
    return is_whole() and answers([str(PYTHON), "-c", "pass" if uv else "import pip"])


def create(uv: str | None) -> None:
    python = choose_python(needs_venv=not uv)
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    shutil.rmtree(str(VENV), ignore_errors=True)
    say(f"making .venv with {python}")
    run([uv, "venv", "--quiet", "--python", python, str(VENV)] if uv else [python, "-m", "venv", str(VENV)])


def choose_python(*, needs_venv: bool) -> str:
    too_old, without_venv = [], []
    for candidate in (sys.executable, *(shutil.which(name) for name in NEWER)):
        if not candidate:
            continue
        version = version_of(candidate)
        if version is None:
            continue
        if version < FLOOR:
            too_old.append("{} is {}.{}".format(candidate, *version))
        elif needs_venv and not answers([candidate, "-c", PROBE_VENV]):
            without_venv.append((candidate, version))
        else:
            return candidate
    if without_venv:
        candidate, version = without_venv[0]
        raise Refused(
            f"{candidate} has no venv module.\n"
            f"  Debian and Ubuntu: apt-get install python{version[0]}.{version[1]}-venv\n"
            "  or put `uv` on PATH; then call this again."
        )
    raise Refused(
        "Python {}.{} or newer is needed, and none is on PATH ({}).\n  Install one (Debian 12 and newer: apt-get"
        " install python3 python3-venv; macOS: brew install python@3.13)\n  or name one:"
        " make PYTHON=/path/to/python3.13 …".format(*FLOOR, "; ".join(too_old) or "none found")
    )


def version_of(python: str) -> tuple[int, ...] | None:
    # A name on PATH may be a version manager's stand-in for a version that is not active: ask, do not believe.
    try:
        answer = subprocess.run([python, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(part) for part in answer.stdout.decode().split("."))


def answers(command: list[str]) -> bool:
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def install(profile: str, uv: str | None) -> None:
    wanted = ["--require-hashes", "-r", str(requirements(profile))]
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    if uv:
        installer = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    else:
        installer = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(installer + wanted)
    run(installer + project)


def run(command: list[str]) -> None:
    # What a caller's shell says about other environments must not lead this one astray.
    strays = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    environment = {name: value for name, value in os.environ.items() if name not in strays}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment.setdefault("UV_SYSTEM_CERTS", "1")  # trust whom the machine trusts, as pip does
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False, cwd=str(ROOT))
    except OSError as error:
        raise Refused(f"cannot start {command[0]}: {error}") from error
    if done.returncode != 0:
        raise Refused(
            "this failed (its own words are above):\n  {}\n  If a package could not be had, check that this machine"
            " reaches its package index, then call again.".format(" ".join(command))
        )


def say(text: str) -> None:
    print("bootstrap: " + text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("bootstrap: interrupted; the next call starts afresh", file=sys.stderr)
        sys.exit(130)
