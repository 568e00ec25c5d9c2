"""Demonstrations: whole applications on real input, run by `eventfold demo`."""
