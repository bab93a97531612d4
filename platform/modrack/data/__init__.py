"""What modrack derives from a dataset: facts, splits, rows."""
