"""Promises: what the core asks of the world. Adapters keep them, `eventfold.testing.conformance` proves it."""
