"""Built-in schedulers, a module each."""
