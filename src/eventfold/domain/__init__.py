"""Pure: messages, decisions, queries. Nothing here waits, reads a clock or draws lots."""
