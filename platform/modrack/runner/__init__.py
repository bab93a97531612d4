"""Composes the chosen parts into a training pipeline and runs it."""
