"""`python -m ttd_jax`."""

from ttd_jax_entry import main

main()
