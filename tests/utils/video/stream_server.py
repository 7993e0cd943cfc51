"""A stream of images on this machine, as cheap cameras send it, whose connection can be cut."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from tests.utils.video.video_cases import numbered


class Handler(BaseHTTPRequestHandler):
    """Sends the next frames, as many as the next entry of `server.parts` says; 503 when none is left."""

    def do_GET(self):
        server = self.server
        server.requests += 1
        if not server.parts:
            return self.send_error(503)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for _ in range(server.parts.pop(0)):
            jpeg = cv2.imencode(".jpg", cv2.cvtColor(numbered(server.number), cv2.COLOR_RGB2BGR))[1].tobytes()
            server.number += 1
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            self.wfile.flush()
            if server.pause.wait(server.interval):
                return

    def log_message(self, *arguments):
        pass


@contextmanager
def stream_server(*parts, interval=0.01):
    """A server whose connections end after so many frames each; `number` counts the frames sent in all.

    Its address is `server.address`.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.parts, server.number, server.requests, server.interval = [*parts], 0, 0, interval
    server.pause = threading.Event()  # set at the end, so that no connection outlives the test
    server.address = f"http://user:secret@127.0.0.1:{server.server_port}/stream"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.pause.set()
        server.shutdown()
        server.server_close()
        thread.join()
