"""One known file over HTTP: gone on with where it stopped, done only when its hash is right.

Not by pooch: it starts a stopped download again from the beginning, and knows no git blob ids,
which are all that proves some of the files.
"""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from ttd_jax.errors import UserError, explain_os_errors
from ttd_jax.report.progress import progress
from ttd_jax.version import __version__
from ttd_jax.weights.catalog import KnownFile, digests_of

GITHUB = "https://raw.githubusercontent.com"
_PIECE = 1 << 16
_LIMIT = 1 << 30  # no known file is near it; where the size is unknown, a server might never end
_MAY_PASS = {408, 425, 429}  # and all of the server's own errors, 5xx


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """How to download.

    Attributes:
      base_url: the server; files are at OWNER/NAME/COMMIT/PATH below it.
      timeout: seconds to wait for the connection, and for each next byte.
      retries: further tries after a failure that may pass.
      backoff: seconds before the first of them; doubled before each next one.
    """

    base_url: str = GITHUB
    timeout: float = 30.0
    retries: int = 4
    backoff: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 3600:
            raise UserError(f"--timeout={self.timeout}: must be above 0 and at most 3600 seconds")
        try:
            parts = urllib.parse.urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or "@" in parts.netloc or parts.query or parts.fragment:
            raise UserError(
                f"--base_url={self.base_url}: must look like https://HOST[:PORT][/PATH]"
            )


def download(known: KnownFile, part: pathlib.Path, transfer: Transfer) -> int:
    """Fills `part`, which may hold a beginning already, until it is the known file.

    Args:
      known: the file.
      part: where to; the folder it is in is made.
      transfer: how.

    Returns:
      The bytes that came over the network.

    Raises:
      UserError: it cannot be had, written or proven. What may be good of it is kept in `part`;
        what has the wrong hash is removed.
    """
    return _Download(known, part, transfer).run()


class _TryAgainError(Exception):
    """A failure that may pass; its text is the reason."""


class _Download:
    def __init__(self, known, part, transfer):
        self._known = known
        self._part = part
        # The server's name for this version of the file: no other version is gone on with.
        self._etag = part.with_suffix(".etag")
        self._transfer = transfer
        self._url = known.url(transfer.base_url)
        # Not `urlopen`: it reads the proxy variables once in the life of a process.
        self._opener = urllib.request.build_opener()
        self._received = 0

    def run(self):
        try:
            self._try_repeatedly()
        except KeyboardInterrupt:
            raise UserError(f"interrupted: {self._kept()}: run the command again") from None
        with explain_os_errors(self._etag):
            self._etag.unlink(missing_ok=True)
        return self._received

    def _try_repeatedly(self):
        for attempt in range(1 + self._transfer.retries):
            if attempt:
                time.sleep(self._transfer.backoff * 2 ** (attempt - 1))
            try:
                continued = self._attempt()
            except _TryAgainError as error:
                advice = "check the connection and the proxy variables, then run the command again"
                failure = f"{error} (tries: {attempt + 1}): {self._kept()}: {advice}"
                continue
            difference = self._known.difference(digests_of(self._part))
            if not difference:
                return
            self._discard()
            failure = f"not {self._known.file}: {difference}: it was not kept: check --base_url"
            if not continued:
                break
            # The beginning, from an earlier try, may be what is wrong: once more from the start.
        raise UserError(f"{self._url}: {failure}")

    def _attempt(self):
        """Adds what is missing; returns whether the part had a beginning already."""
        have, size = self._have(), self._known.size
        if size is not None and have >= size:
            return True
        response = self._ask(have)
        if response is None:
            return True
        with response:
            start, total = _announced(response)
            if start not in (0, have):
                self._discard()
                raise _TryAgainError("the server answered with another part of the file")
            if None not in (size, total) and total != size:
                raise UserError(
                    f"{self._url}: not {self._known.file}: expected {size} bytes, the server "
                    f"announces {total}: {self._kept()}: check --base_url"
                )
            size = size or total
            self._receive(response, start, min(size or _LIMIT, _LIMIT))
        if size and self._have() < min(size, _LIMIT):
            raise _TryAgainError(f"the connection broke off at {self._have()} of {size} bytes")
        return start > 0

    def _ask(self, have):
        """The open response; None if the server has nothing to add."""
        headers = {"User-Agent": f"ttd-jax/{__version__}", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            with contextlib.suppress(OSError):  # without it the hash alone has to tell
                headers["If-Range"] = self._etag.read_text(encoding="utf-8")
        request = urllib.request.Request(self._url, headers=headers)
        try:
            return self._opener.open(request, timeout=self._transfer.timeout)
        except urllib.error.HTTPError as error:
            with error:
                return self._explain_status(error, have)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explain_network(error) from error

    def _explain_status(self, error, have):
        """None if the server has nothing to add; raises otherwise."""
        said = f"{error.code} {error.reason}".splitlines()[0]
        if error.code == 416 and have:  # all is there already, or it is wrong: the hash tells
            return None
        if error.code in _MAY_PASS or error.code >= 500:
            raise _TryAgainError(said)
        raise UserError(
            f"{self._url}: {said}: check --base_url, or get {self._known.file} elsewhere, put it "
            f"into {self._part.parent.parent} and run the command again"
        )

    def _explain_network(self, error):
        """The exception to raise: `_TryAgainError`, or `UserError` for what will not pass."""
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return UserError(
                f"{self._url}: the server's certificate is not trusted ({reason.verify_message}): "
                "set SSL_CERT_FILE to the certificates that your network needs"
            )
        if isinstance(error, (http.client.InvalidURL, ValueError)):  # of a redirect, too
            return UserError(f"{self._url}: not a usable address ({error}): check --base_url")
        if isinstance(reason, TimeoutError):
            return _TryAgainError(f"no answer for {self._transfer.timeout:g} s (see --timeout)")
        if isinstance(reason, socket.gaierror):
            return _TryAgainError(f"the host is not found ({reason.strerror})")
        return _TryAgainError(getattr(reason, "strerror", None) or str(reason))

    def _receive(self, response, start, end):
        """Writes bytes `start` to `end` into the part; fewer where the response ends early."""
        with contextlib.ExitStack() as stack:
            with self._explain_disk():
                self._part.parent.mkdir(exist_ok=True)
                # Unbuffered: what was received is there whatever happens next.
                file = stack.enter_context(self._part.open("ab" if start else "wb", buffering=0))
                if not start:
                    self._remember_version(response)
            bar = progress(
                description=self._known.file,
                total=None if end == _LIMIT else end,
                unit="B",
                initial=start,
                unit_scale=True,
                leave=False,
            )
            stack.enter_context(bar)
            while start < end and (piece := self._read(response, end - start)):
                start += len(piece)
                self._received += len(piece)
                bar.update(len(piece))
                with self._explain_disk():
                    while piece:
                        piece = piece[file.write(piece) :]
            with self._explain_disk():
                os.fsync(file.fileno())

    def _read(self, response, missing):
        try:
            return response.read1(min(missing, _PIECE))  # what is there: a stall loses nothing
        except http.client.IncompleteRead as error:
            raise _TryAgainError("the connection broke off") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._explain_network(error) from error

    def _remember_version(self, response):
        etag = response.headers.get("ETag", "")
        if etag.startswith('"'):  # a weak one (W/"...") does not vouch for the bytes
            self._etag.write_text(etag, encoding="utf-8")
        else:
            self._etag.unlink(missing_ok=True)

    def _explain_disk(self):
        mend = "free some space or choose another --out, then run the command again"
        return explain_os_errors(self._part, mend)

    def _have(self):
        return self._part.stat().st_size if self._part.is_file() else 0

    def _kept(self):
        have = self._have()
        return f"{have} bytes are kept in {self._part}" if have else "nothing is kept"

    def _discard(self):
        with self._explain_disk():
            self._part.unlink(missing_ok=True)
            self._etag.unlink(missing_ok=True)


def _announced(response):
    """First byte and full size that a response announces; None for what it does not."""
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None:
            return None, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None
