"""The world: one module or folder per technology; each can be deleted and only its own capability is lost."""
