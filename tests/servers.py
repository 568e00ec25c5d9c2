"""
Tests that want a real server: without it they are skipped loudly here, and fail in CI.

    if (release := newest()) is None:
        require_server("postgres", "no binaries; make setup installs some")

The last line of the run then reads "… 12 passed, 3 skipped for want of a server …".
"""

import os
from collections import Counter
from typing import NoReturn

import pytest

MISSING = "for want of a server: "
CATEGORY = "skipped for want of a server"


def require_server(name: str, reason: str) -> NoReturn:
    """Call it when the server is not there. `reason` says what was looked for, and what to do."""
    __tracebackhide__ = True
    if is_ci():
        pytest.fail(f"{name} is missing, and CI skips nothing: {reason}", pytrace=False)
    pytest.skip(f"{MISSING}{name} ({reason})")


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing_server(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """What a skipped test waited for: "postgres (no server on PATH)"."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    _, found, server = str(report.longrepr[2]).partition(MISSING)
    return server if found else None


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    return (CATEGORY, "S", "NO SERVER") if missing_server(report) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get(CATEGORY, [])
    servers = Counter(missing_server(report) for report in reports)
    if not servers:
        return
    terminalreporter.section("these servers were missing", yellow=True)
    for server, count in sorted(servers.items(), key=str):
        terminalreporter.line(f"{count:5d}  {server}")
