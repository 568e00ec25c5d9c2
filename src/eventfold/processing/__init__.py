"""The read side: whatever follows the store."""
