"""One short module a command: `define_flags(values)` and `run(flags, arguments)`."""
