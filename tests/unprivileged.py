"""
Start a program that refuses to run as root: `python unprivileged.py PROGRAM ARGUMENT…`.

Standard library only: it becomes the program. Anybody but root becomes it at once. Root enters a user namespace first,
in which its own uid has the number of `nobody`: no account is made, no file changes its owner. Where namespaces are
forbidden, as in most containers, root becomes `nobody` for good, and must have given away the files it wants used.
"""

import ctypes
import os
import sys
from pathlib import Path

NEW_USER_NAMESPACE = 0x10000000
NOBODY = 65534


def main(arguments: list[str]) -> None:
    if os.geteuid() == 0 and not enter_namespace():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.execv(arguments[0], arguments)


def enter_namespace() -> bool:
    """Be 65534 to ourselves and still root to the files outside; False where that is forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)  # Linux has it
    if unshare is None or unshare(NEW_USER_NAMESPACE) != 0:
        return False
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {uid} 1"), ("gid_map", f"{NOBODY} {gid} 1")):
        Path("/proc/self", name).write_text(line, encoding="ascii")
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
