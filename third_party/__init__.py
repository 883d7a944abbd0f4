"""Cards of the upstream projects: where their files are, how to prove them, how to cite them."""
