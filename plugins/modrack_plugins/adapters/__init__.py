"""Whole libraries as families of parts, a module each. Each library is imported when its names or a part are asked for."""
