"""The plain service behind a proxy that ends TLS: one answer, and one stream that never ends.

It listens on loopback, knows nothing of certificates, and trusts the proxy. The port is its only
argument. A reader that went away ends its stream.
"""

import http.server
import sys
import time


class Orders(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/watch":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            # nginx keeps an answer until its buffer is full, unless it is told not to.
            self.send_header("X-Accel-Buffering", "no")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"6\r\norder\n\r\n")
                    time.sleep(0.2)
            except OSError:
                self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Orders).serve_forever()
