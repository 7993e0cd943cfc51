"""A server on this machine that has one file, and every fault that a network can have."""

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1200  # 307,200 bytes
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next of the server's answers, the last one again and again."""

    def do_GET(self):
        server = self.server
        with server.lock:
            server.requests.append(self)
            answer = server.answers[min(len(server.requests), len(server.answers)) - 1]
        answer(self)

    def log_message(self, *arguments):
        pass

    def begin(self, status, length=None, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    @property
    def first(self):
        """The first byte asked for."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def whole(handler, content=CONTENT, sent=None, tag='"one"', ranges=True):
    """The file, or the rest asked for if that is still of the same version; only `sent` bytes of it."""
    start = handler.first if ranges and handler.headers.get("If-Range", tag) == tag else 0
    if start >= len(content):
        return handler.begin(416, 0, Content_Range=f"bytes */{len(content)}")
    if start:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.begin(206, len(content) - start, ETag=tag, Content_Range=span)
    else:
        handler.begin(200, len(content), ETag=tag)
    handler.wfile.write(content[start:][:sent])


def cut(sent, **options):
    """The connection breaks off after so many bytes."""
    return lambda handler: whole(handler, sent=sent, **options)


def status(code):
    """No file, but a status."""
    return lambda handler: handler.begin(code, 0)


def stalls(seconds, sent=0):
    """So many bytes, then nothing for so many seconds."""

    def answer(handler):
        handler.begin(200, len(CONTENT))
        handler.wfile.write(CONTENT[:sent])
        handler.wfile.flush()
        time.sleep(seconds)

    return answer


def redirect(address):
    return lambda handler: handler.begin(302, 0, Location=address)


@contextmanager
def serve(*answers: Answer):
    """(address of the file, requests that came, in order) of a server that gives these answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.requests, server.lock = answers, [], threading.Lock()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/folder/weights.pth", server.requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
