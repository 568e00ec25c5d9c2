"""Join the fragments of changelog.d/ into CHANGELOG.md: `changelog.py 0.2.0`; without a version, show them."""

import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRAGMENTS = ROOT / "changelog.d"
CHANGELOG = ROOT / "CHANGELOG.md"
MARK = "<!-- releases -->\n"
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")


def main(arguments: list[str]) -> int:
    found = fragments(FRAGMENTS)
    if not arguments:
        print(section("unreleased", "not yet", found))
        return 0
    text = CHANGELOG.read_text(encoding="utf-8")
    news = section(arguments[0], datetime.now(UTC).date().isoformat(), found)
    CHANGELOG.write_text(text.replace(MARK, f"{MARK}\n{news}", 1), encoding="utf-8")
    for path in found:
        path.unlink()
    return 0


def fragments(folder: Path) -> dict[Path, str]:
    """Fragment files by name, each with its kind: `rebuild-in-place.added.md`."""
    found: dict[Path, str] = {}
    for path in sorted(folder.glob("*.md")):
        if path.name == "README.md":
            continue
        kind = path.name.split(".")[-2]
        if kind not in KINDS:
            raise SystemExit(
                f"{path.name}: a fragment is called <topic>.<kind>.md, and the kinds are {', '.join(KINDS)}"
            )
        found[path] = kind
    return found


def section(version: str, date: str, found: dict[Path, str]) -> str:
    lines = [f"## {version} ({date})", ""]
    for kind in KINDS:
        texts = [path.read_text(encoding="utf-8").strip() for path, its_kind in found.items() if its_kind == kind]
        if texts:
            lines += [f"### {kind.capitalize()}", "", *("- " + text.replace("\n", "\n  ") for text in texts), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
