"""A web server that misbehaves in every way we know, for the tests of downloads."""

import contextlib
import hashlib
import http.server
import threading
import types

CONTENT = bytes(range(256)) * 2000  # 512 kB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@contextlib.contextmanager
def serve(port=0):
    """Answer requests as `plan`, a list of functions of the handler, says; the last one for ever.

    Yields plan, url, and log: for each request its method, path, headers and body.
    """
    log = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            log.append(types.SimpleNamespace(method=self.command, path=self.path, headers=self.headers, body=body))
            plan = handle.plan
            with contextlib.suppress(ConnectionError):  # who asked has gone
                (plan.pop(0) if len(plan) > 1 else plan[0])(self)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as httpd:
        httpd.daemon_threads, httpd.block_on_close = True, False
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_port}"
        handle = types.SimpleNamespace(plan=[good], log=log, url=url, stop=threading.Event())
        httpd.stop = handle.stop
        yield handle
        handle.stop.set()
        httpd.shutdown()


def ranges(server):
    """What each request asked for: None for all, or "bytes=START-"."""
    return [request.headers.get("Range") for request in server.log]


def asked_from(handler):
    return int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))


def good(handler, content=CONTENT):
    """The file, or the part of it that was asked for."""
    start = asked_from(handler)
    if start and start >= len(content):
        return status(416)(handler)
    send(handler, 206 if start else 200, content[start:], len(content) - start)


def ignore_range(handler):
    send(handler, 200, CONTENT, len(CONTENT))


def cut(handler, size=100_000, content=CONTENT):
    """Promise all, send so many bytes more, hang up."""
    start = asked_from(handler)
    send(handler, 206 if start else 200, content[start : start + size], len(content) - start)


def stall(handler):
    """Promise all, send 100,000 bytes, then keep silent."""
    cut(handler)
    handler.wfile.flush()
    handler.server.stop.wait(5)


def status(code):
    return lambda handler: send(handler, code, b"no", 2)


def page(handler, kind="text/html; charset=utf-8"):
    send(handler, 200, b"<!DOCTYPE html><html>Please log in</html>", 41, kind)


def send(handler, code, content, length, kind="application/octet-stream", **headers):
    handler.send_response(code)
    headers = {"Content-Type": kind, "Accept-Ranges": "bytes", "ETag": '"1"'} | headers
    if length is not None:
        headers["Content-Length"] = str(length)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def nothing_but(path, content=CONTENT):
    """The folder holds this file, whole, with the checksum that was kept if there is one, and nothing else."""
    names = {file.name for file in path.parent.iterdir()} - {f"{path.name}.sha256"}
    return names == {path.name} and path.read_bytes() == content
