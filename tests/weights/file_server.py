"""A server of files on the loopback interface that misbehaves on demand."""

import contextlib
import dataclasses
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclasses.dataclass(frozen=True)
class Answer:
    """How one request is answered; the default is as a good server does.

    Attributes:
      status: answer with this status and a short page.
      stop_after: end the connection after so many bytes of the body.
      stall_after: send nothing more after so many bytes of the body, and keep the connection.
      ranges: honor `Range`.
      length: announce this Content-Length; 0 announces none.
      chunked: send the body as one chunk, without its end if `stop_after` is given.
      location: redirect to this address.
      content_range: say this in a 206.
      then: called when the body was sent as far as it goes.
    """

    status: int | None = None
    stop_after: int | None = None
    stall_after: int | None = None
    ranges: bool = True
    length: int | None = None
    chunked: bool = False
    location: str | None = None
    content_range: str | None = None
    then: object = None


class FileServer(ThreadingHTTPServer):
    """Serves `files` (path -> bytes); `answers` are used up, one a request.

    `requests` holds the path and headers of every request, `served` the bytes of files sent.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {}
        self.etag = None
        self.answers = []
        self.requests = []
        self.served = 0
        self.released = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, known, data):
        self.files[f"/{known.repository}/{known.commit}/{known.path}"] = data

    def handle_error(self, request, client_address):
        pass  # a client that went away is what some tests are about

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format, *args):
        pass

    def do_GET(self):
        answer = self.server.answers.pop(0) if self.server.answers else Answer()
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.server.requests.append((self.path, dict(self.headers)))
        data = self.server.files.get(path)
        if answer.location:
            self.send_response(302)
            self.send_header("Location", answer.location)
            self.end_headers()
        elif answer.status or data is None:
            self._page(answer.status or 404)
        else:
            self._file(data, answer)

    def _page(self, status):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<html>sorry</html>")

    def _file(self, data, answer):
        start = self._start(answer)
        if start and start >= len(data):
            self._page(416)
            return
        body = data[start:]
        if answer.chunked:
            self.protocol_version = "HTTP/1.1"
            self.close_connection = True
        self.send_response(206 if start else 200)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.length != 0:
            self.send_header("Content-Length", str(answer.length or len(body)))
        if start:
            said = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send_header("Content-Range", answer.content_range or said)
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        until = answer.stop_after if answer.stall_after is None else answer.stall_after
        if answer.chunked:
            self.wfile.write(b"%x\r\n" % len(body))
        self.server.served += len(body[:until])  # before the client can have it and go on
        self.wfile.write(body[:until])
        if answer.chunked and until is None:
            self.wfile.write(b"\r\n0\r\n\r\n")
        if answer.then:
            answer.then()
        if answer.stall_after is not None:
            self.server.released.wait(60)

    def _start(self, answer):
        said = self.headers.get("Range")
        if said is None or not answer.ranges:
            return 0
        if self.headers.get("If-Range", self.server.etag) != self.server.etag:
            return 0
        return int(said.removeprefix("bytes=").removesuffix("-"))
