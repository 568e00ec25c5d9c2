"""Processors in child processes: a parent that starts, watches, restarts and stops them; and what a child does."""

from eventfold.bootstrap.hooks import After, Ended, RunnerHooks
from eventfold.bootstrap.runner.backoff import Restarts
from eventfold.bootstrap.runner.health import Health
from eventfold.bootstrap.runner.loading import load
from eventfold.bootstrap.runner.messages import Happening
from eventfold.bootstrap.runner.runner import Runner

__all__ = ["After", "Ended", "Happening", "Health", "Restarts", "Runner", "RunnerHooks", "load"]
