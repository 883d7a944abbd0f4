"""Is this installation in order? What is here, and whether it computes what it should."""
