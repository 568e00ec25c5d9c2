"""Find the table of flights in whatever file it travels: .csv, .csv.gz, .csv.zip, a wheel, an sdist."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, TextIO, cast

TABLE = "flights.csv"
NEST = 4  # an sdist is a table in a zip in a tar in a gzip


class NotFlightData(ValueError):
    """
    The file, or one line of it, is not the table of flights that was expected.

    Holds `file`, `line` (None when the whole file is meant), `expected` and `found`.
    """

    def __init__(self, file: str, line: int | None, expected: str, found: str) -> None:
        place = file if line is None else f"{file}, line {line}"
        super().__init__(f"{place}: expected {expected}, found {found}")
        self.file = file
        self.line = line
        self.expected = expected
        self.found = found


def january() -> Traversable:
    """The file that travels inside this package."""
    return files("eventfold.cli.demo.flights") / "january.csv.gz"


@contextmanager
def table(data: Path | None) -> Generator[TextIO, None, None]:
    """
    Open the table in `data`, or January as shipped.

    It is read as it is asked for: no archive is unpacked to disk, no table held in memory.

    Raises:
        NotFlightData: the file holds no table, or breaks off, or is damaged; also while reading on.
        OSError: the file cannot be opened.
    """
    path = january() if data is None else data
    with path.open("rb") as file:
        try:
            yield io.TextIOWrapper(_unwrapped(file), encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            raise NotFlightData(str(path), None, "text in UTF-8", f"byte {error.object[error.start]:#04x}") from error
        except (*_DAMAGED, _NoTable) as error:
            raise NotFlightData(str(path), None, f"a readable {TABLE}, plain or in an archive", str(error)) from error


class _NoTable(Exception):
    pass


# RuntimeError is how zipfile says "encrypted"; NotImplementedError, one of it, "unknown compression".
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)


def _unwrapped(file: IO[bytes]) -> IO[bytes]:
    for _ in range(NEST):
        head = file.read(512)
        file.seek(0)
        if head.startswith(b"PK"):
            file = _from_zip(zipfile.ZipFile(file))
        elif head.startswith(b"\x1f\x8b"):
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))  # reads as one; typeshed disagrees
        elif head[257:262] == b"ustar":
            file = _from_tar(tarfile.TarFile(fileobj=file))
        else:
            return file
    raise _NoTable("an archive in an archive in an archive …")


def _from_zip(archive: zipfile.ZipFile) -> IO[bytes]:
    return archive.open(_only_table(archive.namelist()))


def _from_tar(archive: tarfile.TarFile) -> IO[bytes]:
    member = archive.extractfile(_only_table(archive.getnames()))
    if member is None:
        raise _NoTable(f"a {TABLE} that is no file")
    return member


def _only_table(names: list[str]) -> str:
    wanted = (TABLE, f"{TABLE}.zip", f"{TABLE}.gz")
    found = [name for name in names if name.rpartition("/")[2] in wanted and not name.startswith("__MACOSX/")]
    if len(found) != 1:
        raise _NoTable(f"an archive with {len(found)} of them")
    return found[0]
