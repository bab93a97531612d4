"""Runs on their way out to other programs, and in from them."""
