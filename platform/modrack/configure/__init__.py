"""From defaults, file, environment and command line to one checked experiment."""
