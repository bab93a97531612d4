"""Built-in augmentations, and the kind they are of."""
