"""Every call but those that take events in: one module a group of paths."""
