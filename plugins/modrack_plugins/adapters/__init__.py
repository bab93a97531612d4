"""Whole libraries as families of parts, a module each; a library is imported when one of its parts is asked for."""
