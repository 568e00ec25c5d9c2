"""
Power loss for SQLite files: a disk that remembers what it was asked, and what it may hold after the power failed.

The idea is that of SQLite's own crash tests (https://sqlite.org/testing.html): a VFS records writes, truncations and
syncs, and images are made from the record as a disk could have left them. *The model:*

- What a sync has confirmed is there, whole. Nothing else is certain, and nothing has an order.
- Each sector of 512 bytes written since the last sync of its file is, by itself, as before, as written (of several
  writes any may have been last), or torn: its first bytes are new, the others old or noise.
- The bytes beside a write do not change ("powersafe overwrite", which SQLite takes for granted on Unix).
- A file that grew may have grown in part, with zeros or noise where nothing arrived; a cut may not have happened.
- A name in the folder is certain once the folder is synced: before, a new file may be missing although its content
  was synced, and a removed one be back. SQLite syncs the folder with the first sync of a journal or write-ahead log.
- `-shm` is memory, and gone.

Not modelled: a disk that lies about a sync or damages what it has confirmed, and macOS without `fullfsync`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple, Self, TypeAlias

import apsw

__all__ = ["SECTOR", "CrashImage", "Disk"]

SECTOR: Final = 512
"""Bytes that a disk writes at once, if all is well."""

_MEMORY: Final = "-shm"
_SYNCS_ITS_FOLDER: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


class _Write(NamedTuple):
    file: int
    offset: int
    data: bytes

    def apply(self, content: bytearray) -> None:
        _place(content, self.offset, self.data)

    def sectors(self) -> Iterator[tuple[int, bytes]]:
        at, end = self.offset, self.offset + len(self.data)
        while at < end:
            upto = min(end, (at // SECTOR + 1) * SECTOR)
            yield at, self.data[at - self.offset : upto - self.offset]
            at = upto


class _Cut(NamedTuple):
    file: int
    size: int

    def apply(self, content: bytearray) -> None:
        content[self.size :] = bytes(max(0, self.size - len(content)))


class _Synced(NamedTuple):
    """None: the folder, with all its names."""

    file: int | None


class _Entry(NamedTuple):
    name: str
    file: int | None


_Deed: TypeAlias = _Write | _Cut | _Synced | _Entry


class CrashImage(NamedTuple):
    """What a power failure has left of the folder: a function of record, seed and number alone."""

    seed: int
    number: int
    moment: int
    """How many deeds came before. What was acknowledged by then must be there."""
    files: dict[str, bytes]

    def write_to(self, folder: Path) -> None:
        """Lay the files down, in a folder that then holds nothing else."""
        for old in folder.iterdir():
            old.unlink()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


class Disk:
    """
    `with Disk(folder) as disk:` records whatever SQLite opens in the folder; what was there before counts as synced.

    It becomes the default VFS of the process, so the code under test opens its files as it always does. Note
    `disk.moment` with every acknowledgement; afterwards `disk.images(seed, range(1_000))` are the worlds to look at.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._deeds: list[_Deed] = []
        self._files: dict[str, int] = {}
        self._made = 0

    def __enter__(self) -> Self:
        for file in sorted(self._folder.iterdir()):
            if file.is_file() and not file.name.endswith(_MEMORY):
                self.note(_Synced(self._link(file)))
        self.note(_Synced(None))
        self._vfs = _RecordingVfs(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._vfs.unregister()  # connections that are still open keep it alive, and are recorded on

    @property
    def moment(self) -> int:
        """How many deeds the disk has been asked for."""
        return len(self._deeds)

    def images(self, seed: int, numbers: Iterable[int], *, since: int = 0) -> Iterator[CrashImage]:
        """An image per number, whatever others are asked for, in the order of their moments, none before `since`."""
        chances = {number: Random(f"{seed}/{number}") for number in numbers}  # noqa: S311 - chance, no secret
        moments = sorted((chance.randint(since, self.moment), number) for number, chance in chances.items())
        remains, done = _Remains(), 0
        for moment, number in moments:
            for deed in self._deeds[done:moment]:
                remains.take(deed)
            done = moment
            yield CrashImage(seed, number, moment, remains.after_power_loss(chances[number]))

    def note(self, deed: _Deed) -> None:
        self._deeds.append(deed)

    def opened(self, path: str) -> int | None:
        """The file of this path, made by this opening if it is new; None if it is not in our folder."""
        file = Path(path)
        if file.parent != self._folder or file.name.endswith(_MEMORY):
            return None
        return self._files.get(file.name) or self._link(file)

    def removed(self, path: str, *, folder_synced: bool) -> None:
        file = Path(path)
        if file.parent == self._folder and self._files.pop(file.name, None) is not None:
            self.note(_Entry(file.name, None))
            if folder_synced:
                self.note(_Synced(None))

    def _link(self, file: Path) -> int:
        self._made += 1
        self._files[file.name] = self._made
        self.note(_Entry(file.name, self._made))
        if content := file.read_bytes():
            self.note(_Write(self._made, 0, content))
        return self._made


class _RecordingVfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._below = apsw.vfs_names()[0]  # the default comes first
        super().__init__(f"power-loss-{id(disk):x}", self._below, makedefault=True, maxpathname=0)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        opened = _RecordedFile(self._disk, self._below, name, flags)
        if name is not None:
            opened.file = self._disk.opened(name.filename() if isinstance(name, apsw.URIFilename) else name)
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        super().xDelete(filename, syncdir)
        self._disk.removed(filename, folder_synced=syncdir)


class _RecordedFile(apsw.VFSFile):
    file: int | None = None

    def __init__(self, disk: Disk, below: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _SYNCS_ITS_FOLDER)
        super().__init__(below, name, flags)

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        try:
            super().xLock(level)
        except apsw.IOError as error:
            # A closing reader asks for the exclusive lock and takes any refusal, but apsw raises this one from close().
            raise apsw.BusyError(str(error)) from error

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType] # apsw's Buffer is unknown to it
        if self.file is not None:
            self._disk.note(_Write(self.file, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        super().xTruncate(newsize)
        if self.file is not None:
            self._disk.note(_Cut(self.file, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        super().xSync(flags)
        if self.file is not None:
            self._disk.note(_Synced(self.file))
            if self._syncs_folder:
                self._disk.note(_Synced(None))
            self._syncs_folder = False


class _Remains:
    """What is certain, and what may be, after the deeds so far."""

    def __init__(self) -> None:
        self._certain: dict[int, bytearray] = {}
        self._open: dict[int, list[_Write | _Cut]] = {}
        self._entries: dict[str, list[int | None]] = {}  # the certain one, then every one since

    def take(self, deed: _Deed) -> None:
        if isinstance(deed, _Write | _Cut):
            self._open.setdefault(deed.file, []).append(deed)
        elif isinstance(deed, _Entry):
            self._entries.setdefault(deed.name, [None]).append(deed.file)
        elif deed.file is None:
            self._entries = {name: states[-1:] for name, states in self._entries.items()}
        else:
            content = self._certain.setdefault(deed.file, bytearray())
            for each in self._open.pop(deed.file, ()):
                each.apply(content)

    def after_power_loss(self, chance: Random) -> dict[str, bytes]:
        entries = {name: chance.choice(states) for name, states in self._entries.items()}
        return {name: self._content(file, chance) for name, file in entries.items() if file is not None}

    def _content(self, file: int, chance: Random) -> bytes:
        content = bytearray(self._certain.get(file, b""))
        least = len(content)
        kept = chance.choice((0.0, 1.0, chance.random()))  # nothing, everything, or a mixture of this file's own
        torn = chance.choice((0.0, 0.01, 0.2))
        noise = chance if chance.random() < 0.5 else None
        for deed in self._open.get(file, ()):
            if isinstance(deed, _Write):
                for at, piece in deed.sectors():
                    if chance.random() < kept:
                        new = chance.randrange(len(piece)) if chance.random() < torn else len(piece)
                        rest = chance.randbytes(len(piece) - new) if chance.random() < 0.5 else b""
                        _place(content, at, piece[:new] + rest, noise)
            elif chance.random() < kept:
                deed.apply(content)
                least = min(least, deed.size)
        if chance.random() < 0.25:
            del content[chance.randint(least, max(least, len(content))) :]
        return bytes(content)


def _place(content: bytearray, at: int, data: bytes, noise: Random | None = None) -> None:
    hole = at - len(content)
    if hole > 0:
        content += noise.randbytes(hole) if noise else bytes(hole)
    content[at : at + len(data)] = data
