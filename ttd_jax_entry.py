"""The command `ttd-jax`. Apart from the package, whose import takes a second and reads JAX's
environment variables: what goes wrong meanwhile is told in one line, too.
"""

import sys


def main() -> None:
    """Console entry point."""
    try:
        from ttd_jax.main import entry
    except KeyboardInterrupt:
        sys.exit(_complain("interrupted: nothing was done: run the command again"))
    except ValueError as error:  # what JAX says of its environment variables
        sys.exit(_complain(f"cannot begin: {error}: mend the environment variable"))
    entry()


def _complain(message):
    print(f"ttd-jax: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
