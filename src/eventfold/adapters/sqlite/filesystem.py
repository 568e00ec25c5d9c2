"""A write-ahead log needs memory that all its users share: one machine, one kernel."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from eventfold.errors import UnsupportedByStore

__all__ = ["file_system_of", "mount_table", "refuse_network"]

_NETWORK: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"smb", "smb2", "smb3", "smbfs"}
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def mount_table() -> str:
    """Of this process; empty where there is none to read."""
    try:
        return Path("/proc/self/mounts").read_text("utf-8", errors="surrogateescape")
    except OSError:
        return ""


def file_system_of(path: str, mounts: str) -> tuple[str, str] | None:
    """
    The type of the file system the path lies on, and where that is mounted; None when the table does not say.

    Args:
        mounts: lines of `/proc/mounts`; of two mounts on one place the later hides the earlier.
    """
    place = os.path.realpath(path)
    found: tuple[str, str] | None = None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
        inside = place == mounted or place.startswith(mounted.rstrip("/") + "/")
        if inside and (found is None or len(mounted) >= len(found[1])):
            found = (fields[2], mounted)
    return found


def refuse_network(path: str, mounts: str) -> None:
    """
    Raises UnsupportedByStore, with the remedy, for a file on a network file system.

    Two machines would each keep an index of the log of their own, and overwrite each other's events.
    """
    found = file_system_of(path, mounts)
    if found is None:
        return
    kind, mounted = found
    if kind in _NETWORK or kind.startswith("fuse."):
        raise UnsupportedByStore(
            f"{path} lies on {mounted}, a network file system ({kind}), where two machines would overwrite each "
            "other's events; use a local disk, or a server, or add ?network=allow when only one machine ever opens it"
        )
