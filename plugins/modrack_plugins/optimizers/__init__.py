"""Built-in optimizers, a module each."""
