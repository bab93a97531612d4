"""Built-in callbacks, a module each."""
