"""The figures of both stores into docs/reference/benchmarks.md, between its marks: `python benchmarks/page.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness import FLOOR, OURS, PEER, POSTGRES, ROOT, SQLITE, digits

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by benchmarks/page.py -->", "<!-- end of figures -->"


RECORDS = {SQLITE: ROOT / "build" / "benchmarks.json", POSTGRES: ROOT / "build" / "benchmarks-postgres.json"}
TITLES = {SQLITE: "On SQLite", POSTGRES: "On Postgres"}
LIMITS = {
    SQLITE: "The limit is the raw driver: apsw in a plain loop that does the least SQL for the same rows, with a sync "
    "for every commit. `eventsourcing` runs on its SQLite recorder.",
    POSTGRES: "The limit is the raw driver: asyncpg with prepared statements that do the least SQL for the same rows, "
    "with `fsync` and `synchronous_commit` on. All contestants share one server, each run has a database of its own. "
    "`eventsourcing` runs on its Postgres recorder, and where it has one on its function in the database.",
}


def write() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in rest:
        raise SystemExit(f"{PAGE} has lost its marks")
    text = "\n".join(both())
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def both() -> Iterator[str]:
    for number, (store, path) in enumerate(RECORDS.items()):
        yield from [""] * bool(number)
        yield f"## {TITLES[store]}"
        yield ""
        yield LIMITS[store]
        yield ""
        if path.exists():
            yield from figures(json.loads(path.read_text(encoding="utf-8")))
        else:
            yield "Not measured yet."


def figures(record: Mapping[str, Any]) -> Iterator[str]:
    machine, code = record["machine"], record["code"]
    packages = {**machine["packages"][OURS], **machine["packages"][PEER]}
    changed = ", with changes that are not committed" if code["changed"] else ""
    quick = ", quick sizes: they show that the scripts run, not how fast anything is" if record["quick"] else ""
    yield f"Measured {record['started']} at commit `{code['commit']}`{changed}; {record['rounds']} rounds{quick}."
    yield ""
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_mib']:,} MiB, {machine['system']}, "
        f"{machine['file_system']}; one synced page took {machine['sync_us']:.0f} µs; load at the start "
        f"{machine['load']:.2f}. Python {machine['python']}, "
        f"{', '.join(f'{name} {version}' for name, version in packages.items())}."
    )
    if server := machine.get("server"):
        yield ""
        yield f"Server: {', '.join(f'{name} {value}' for name, value in server.items())}."
    for question in record["questions"]:
        yield ""
        yield f"### {question['title']}"
        yield ""
        yield question["about"]
        yield ""
        if "skipped" in question:
            yield f"Not measured: {question['skipped']}."
            continue
        yield from table(question["cells"])


def table(cells: list[Mapping[str, Any]]) -> Iterator[str]:
    others = [name for name in dict.fromkeys(name for cell in cells for name in cell["contestants"]) if name != OURS]
    others = [FLOOR, PEER, *(name for name in others if name not in {FLOOR, PEER})]
    headings = ["raw driver", *(f"`{name}`" for name in others[1:]), "Eventfold", "Eventfold's figure"]
    yield f"| work | {' | '.join(headings)} | we aim at | beside it |"
    yield f"| --- |{' --- |' * len(headings)} --- | --- |"
    for cell in cells:
        by_name = cell["contestants"]
        ours = by_name.get(OURS)
        columns = [
            cell["label"],
            *(compared(cell, by_name.get(name)) for name in others),
            f"**{compared(cell, ours)}**",
            f"{shown(ours['median'])} {cell['unit']}" if cell["compared"] != "alone" else "",
            aim(cell),
            ", ".join(f"{key} {shown(value)}" for key, value in ours["beside"].items()),
        ]
        yield f"| {' | '.join(columns)} |"
    floors = {cell["label"]: cell["floor_is"] for cell in cells if cell["floor_is"]}
    for floor in dict.fromkeys(floors.values()):
        labels = [label for label, each in floors.items() if each == floor]
        yield ""
        yield f"Raw driver in {'; '.join(labels)}: {floor}."


def compared(cell: Mapping[str, Any], told: Mapping[str, Any] | None) -> str:
    """The ratio with its spread; where nothing is compared, or memory is, the figure itself."""
    if told is None:
        return "-"
    match cell["compared"]:
        case "floor" | "peer" if "compared" in told:
            ratio = told["compared"]
            if ratio["values"] == [1.0] * len(ratio["values"]):
                return "1.00"
            return f"{shown(ratio['median'])} ({shown(ratio['min'])} … {shown(ratio['max'])})"
        case _:
            return f"{shown(told['median'])} {cell['unit']} ({shown(told['min'])} … {shown(told['max'])})"


def aim(cell: Mapping[str, Any]) -> str:
    if cell["target"] is None:
        return ""
    sign = "≥" if cell["better"] == "more" else "≤"
    before, behind = {"difference": ("raw + ", ""), "peer": ("", " times the peer")}.get(cell["compared"], ("", ""))
    verdict = {True: "reached", False: "missed", None: "not compared"}[cell["reached"]]
    return f"{sign} {before}{cell['target']:g}{behind}: {verdict}"


def shown(value: float) -> str:
    return f"{value:,.{digits(value) if abs(value) >= 10 or value == 0 else 3 if abs(value) < 0.1 else 2}f}"


if __name__ == "__main__":
    write()
