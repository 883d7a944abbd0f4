"""The one exception for a user's mistake."""

import contextlib
import errno
import os
from collections.abc import Collection, Iterator, Sequence


class UserError(ValueError):
    """A mistake of the user's, told in one line that names the thing and the mend.

    The command line prints the message without a traceback and exits with status 2.
    """


def printable(text: str, *, kept: str = "") -> str:
    r"""A text whose control characters are shown instead of obeyed, as by a terminal.

    Names of files and tensors, and whatever else comes from files, may hold any.

    Args:
      text: any.
      kept: characters that stay as they are.

    Example:
      >>> print(printable("a\x1b[31m.png"))
      a\x1b[31m.png
    """
    return "".join(
        character
        if character.isprintable() or character in kept
        else character.encode("unicode_escape").decode()
        for character in text
    )


def some(names: Sequence[str], limit: int = 5) -> str:
    """Up to `limit` names for a message.

    Example:
      >>> some(["a", "b", "c"], 2)
      'a, b, ...'
    """
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def counted(number: int, noun: str) -> str:
    """A number of things for a message, whose noun has an 's' for its plural.

    Example:
      >>> counted(1, "scene"), counted(0, "scene")
      ('1 scene', '0 scenes')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def check_choice(name: str, value: object, allowed: Collection) -> None:
    """Refuses what is none of the values that a field may have.

    Example:
      >>> check_choice("fusion", "dynamic", ("static", "ttd"))
      Traceback (most recent call last):
      ...
      ttd_jax.errors.UserError: fusion must be one of static, ttd, got 'dynamic'

    Raises:
      UserError: it names the field and its values.
    """
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Puts the place of a mistake, such as a field of a config, before what is said of it.

    Raises:
      UserError: for any `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


def check_list(name: str, arrays: object) -> None:
    """Refuses what is no list of pictures, such as one array, whose rows would be taken for them.

    Raises:
      UserError: it is an array, a generator, a text, or nothing.
    """
    if not isinstance(arrays, Sequence) or isinstance(arrays, (str, bytes)):
        array = hasattr(arrays, "ndim")
        kind = f"one array of shape {tuple(arrays.shape)}" if array else type(arrays).__name__
        raise UserError(f"{name} is {kind}: pass a list of pictures, such as [visible, infrared]")


def one_line(error: BaseException, limit: int = 200) -> str:
    """The kind of an error, and the first line of what it says, for a message.

    Example:
      >>> one_line(KeyError("net"))
      "KeyError: 'net'"
    """
    first = (str(error).strip().splitlines() or [""])[0]
    shown = first if len(first) <= limit else f"{first[:limit]}..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


@contextlib.contextmanager
def blaming(what: str, does: str) -> Iterator[None]:
    """Tells in one line whose function fails, where it may be another package's.

    What ran out of memory or was interrupted is nobody's mistake and passes.

    Args:
      what: whose it is: "metric 'EOL'".
      does: what it was asked for: 'gives no figure'.

    Raises:
      UserError: for any other error; one that is a `UserError` already passes.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if type(error).__name__ in _NOT_ITS_OWN:
            raise
        raise UserError(f"{what} {does}: {one_line(error)}{_hint(error)}") from error


_NOT_ITS_OWN = ("JaxRuntimeError", "XlaRuntimeError")  # a device's, such as memory
_NEEDS_VALUES = ("Concretization", "TracerArrayConversion", "TracerBool", "TracerInteger")


def _hint(error):
    needs_values = type(error).__name__.startswith(_NEEDS_VALUES)
    return ": JAX traces it: write it with jax.numpy, without float() or if" if needs_values else ""


def is_exhausted(error: BaseException) -> bool:
    """Whether a machine or a device has no memory left, in the words of Python or of XLA.

    Example:
      >>> is_exhausted(RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"))
      True
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )


@contextlib.contextmanager
def explain_exhausted(what: str, mend: str) -> Iterator[None]:
    """Turns a lack of memory into a `UserError`.

    Args:
      what: takes too much.
      mend: what would take less.

    Raises:
      UserError: for what `is_exhausted`.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        raise UserError(f"{what}: out of memory: {mend}") from error


@contextlib.contextmanager
def explain_missing(what: str, extra: str) -> Iterator[None]:
    """Turns the failure to import a package of an extra into a `UserError` that tells the extra.

    Args:
      what: needs the package.
      extra: of this package, which installs it.

    Raises:
      UserError: for any `ImportError`.
    """
    try:
        yield
    except ImportError as error:
        needed = error.name or error
        raise UserError(f"{what} needs {needed}: pip install 'ttd-jax[{extra}]'") from error


@contextlib.contextmanager
def explain_os_errors(
    path: str | os.PathLike, mend: str = "choose another place or free some space"
) -> Iterator[None]:
    """Turns an `OSError` raised while writing below `path` into a `UserError` naming it.

    Raises:
      UserError: for any `OSError`: no space, no permission, a file where a folder is needed.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason = f"the disk or quota is full ({reason})"
        raise UserError(f"{path}: cannot write: {reason}: {mend}") from error
