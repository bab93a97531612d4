"""Built-in datasets, a module each."""
