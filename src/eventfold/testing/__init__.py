"""Shipped with the library: given/when/then, and the conformance suites for whoever writes an adapter."""

from eventfold.testing.scenario import given

__all__ = ["given"]
