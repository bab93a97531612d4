"""Writes the first version of a plugin, for `modrack new`."""
