"""Time: which stored names stand for which classes, and how bytes become events."""
