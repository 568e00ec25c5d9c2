"""Plugins for the whole repository; they must be named here, because README.md and docs/ hold tests too."""

pytest_plugins = ["tests.documents", "tests.servers", "tests.postgres", "tests.pgbouncer"]
