"""JSON that somebody gives a command: on the command line, in a file, or with his editor."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from eventfold.cli.exits import Refused

__all__ = ["edited", "payload", "pretty"]


def payload(data: str | None, file: Path | None) -> bytes:
    """Raises Refused for what is no JSON, or cannot be read."""
    if (data is None) == (file is None):
        raise Refused("give the payload: --data '…', or --file PATH")
    try:
        found = data.encode() if data is not None else file.read_bytes() if file is not None else b""
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from error
    except UnicodeError as error:
        raise Refused(f"the payload is no JSON: {error}") from error
    return _checked(found)


async def edited(data: bytes) -> bytes:
    """
    The data as it comes back from the reader's editor, without the spaces that made it easy to read.

    Raises:
        Refused: there is no editor, it has failed, nothing was changed, or what it gives is no JSON.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        raise Refused("EDITOR names no editor; set it, or give the payload: --data '…', or --file PATH")
    with TemporaryDirectory(prefix="eventfold-") as folder:  # which only its owner may enter
        path = Path(folder) / "data.json"
        before = _written(path, data)
        await _run([*command, str(path)])
        after = _read(path)
    if after == before:
        raise Refused("nothing was changed")
    return msgspec.json.format(_checked(after), indent=-1)


def pretty(data: bytes) -> str:
    """The same JSON on several lines; numbers stay as they are written."""
    return msgspec.json.format(data, indent=2).decode()


def _checked(data: bytes) -> bytes:
    try:
        msgspec.json.decode(data)
    except (UnicodeError, msgspec.DecodeError) as error:
        raise Refused(f"the payload is no JSON: {error}") from error
    return data


def _written(path: Path, data: bytes) -> bytes:
    text = f"{pretty(data)}\n".encode()
    path.write_bytes(text)
    return text


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"the editor has left nothing: {error.strerror}") from error


async def _run(command: Sequence[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*command)
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}") from error
    status = await process.wait()
    if status != 0:
        raise Refused(f"{command[0]} has ended with {status}: nothing was done")
