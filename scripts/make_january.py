"""
Make the January that ships with the demo, from the table of the whole year.

    PYTHONPATH=src python3 scripts/make_january.py --data flights.csv.zip

The same input gives the same bytes: no time and no file name are in them.
"""

import argparse
import csv
import gzip
import io
from pathlib import Path

from eventfold.cli.demo.flights.data import COLUMNS
from eventfold.cli.demo.flights.source import january, table


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the January that ships with the demo.")
    parser.add_argument("--data", type=Path, required=True, help="flights.csv, plain or in an archive")
    parser.add_argument("--to", type=Path, default=Path(str(january())), help="default: beside the demo's code")
    arguments = parser.parse_args()
    text = compact(arguments.data).encode()
    arguments.to.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))


# What repeats stands together, in rows and in columns: a quarter smaller than the original order.
BY_FLIGHT: tuple[str, ...] = (
    "year", "month", "day", "time_hour", "carrier", "flight", "origin", "dest", "sched_dep_time", "sched_arr_time",
    "dep_time", "arr_time", "dep_delay", "arr_delay", "air_time", "tailnum",
)  # fmt: skip


def compact(data: Path) -> str:
    """The columns that the demo reads, of the flights of January, as text."""
    assert set(BY_FLIGHT) == set(COLUMNS)
    with table(data) as file:
        rows = [row for row in csv.DictReader(file) if row["month"] == "1"]
    rows.sort(key=lambda row: (row["carrier"], int(row["flight"]), int(row["day"]), row["origin"]))
    target = io.StringIO()
    writer = csv.DictWriter(target, BY_FLIGHT, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue()


if __name__ == "__main__":
    main()
