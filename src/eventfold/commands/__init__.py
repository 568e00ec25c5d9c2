"""The write side: load, decide, append; again on a conflict."""
