"""Built-in metrics, a module each."""
