"""
Programs out of Debian's packages, without installing them: unpacked into the environment, once, by anybody.

They are downloaded with the machine's own apt, and its signatures are checked by it. Where no list of packages is there
yet, as on a fresh machine, one is fetched into a folder of ours.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

HOME = Path(sys.prefix) / "debian"
WANTED = ("lib", "postgresql-client-")  # libraries, and the programs that come in a package of their own
OF_THE_SYSTEM = {"libc6"}  # every program here brings the system's with it; a second one would not load
PATIENCE = 300.0  # seconds for one call of apt


class Unpacked(NamedTuple):
    """A package and what it needs, below `root`."""

    root: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What its programs have to be started with."""
        libraries = [file for top in ("usr/lib", "lib") for file in (self.root / top).glob("**/*.so*")]
        return {"LD_LIBRARY_PATH": ":".join(sorted({str(library.parent) for library in libraries}))}


class NotUnpacked(Exception):
    """The package could not be had; the text says why."""


@cache
def unpacked(package: str) -> Unpacked:
    """The newest version that this machine's Debian has of a package.

    Raises:
        NotUnpacked: this is no Debian, or its packages are out of reach.
    """
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        raise NotUnpacked("this machine has no apt")
    root = HOME / package
    with alone():
        if not root.exists():
            unfinished = HOME / f"{package}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unpack(package, unfinished)
            unfinished.rename(root)
    return Unpacked(root)


def required_by(package: str) -> list[str]:
    """What a package depends on, by name."""
    lines = apt("apt-cache", "depends", "--important", package).splitlines()
    return [line.split()[-1] for line in lines if line.strip().startswith("Depends:") and "<" not in line]


def unpack(package: str, folder: Path) -> None:
    archives = folder / "archives"
    archives.mkdir(parents=True)
    needed = [name for name in required_by(package) if name.startswith(WANTED) and name not in OF_THE_SYSTEM]
    apt("apt-get", "download", package, *needed, cwd=archives)
    for archive in archives.glob("*.deb"):
        run("dpkg", "-x", str(archive), str(folder))
    shutil.rmtree(archives)


def apt(*command: str, cwd: Path | None = None) -> str:
    """Ask with the machine's list of packages, and where that does not help with one of our own."""
    try:
        return run(*command, cwd=cwd)
    except NotUnpacked:
        lists, archives = HOME / "apt" / "lists", HOME / "apt" / "archives"
        for folder in (lists / "partial", archives / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        ours = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={HOME / 'apt'}", "-o", "Debug::NoLocking=true"]
        run("apt-get", *ours, "update")
        return run(command[0], *ours, *command[1:], cwd=cwd)


def run(*command: str, cwd: Path | None = None) -> str:
    # Root's apt downloads as another user, who may not write into our folder.
    sandbox = ["-o", "APT::Sandbox::User=root"] if command[0].startswith("apt") else []
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [command[0], *sandbox, *command[1:]],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise NotUnpacked(f"{' '.join(command)} took more than {PATIENCE:.0f} s") from late
    if done.returncode != 0 or (command[:2] == ("apt-cache", "depends") and not done.stdout.strip()):
        raise NotUnpacked(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def alone() -> Iterator[None]:
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
