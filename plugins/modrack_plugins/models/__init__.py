"""Built-in models, a module each."""
