"""Codecs: one module per byte format."""
