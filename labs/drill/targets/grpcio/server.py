"""Python's grpcio as a server with mutual TLS: shop.Orders/Get, and Watch as a stream.

The arguments are `static` or `dynamic`, the port, and the SPIFFE ID that is let in. `static` reads
the files once, by `ssl_server_credentials`; `dynamic` is asked before every handshake whether they
changed, by `dynamic_ssl_server_credentials`. Whom to let in is decided at the beginning of each
call, from what the library says of the peer.
"""

import concurrent.futures
import pathlib
import signal
import sys
import threading
import time

import grpc

TLS = pathlib.Path(".schism/tls")
FILES = ("tls.key", "tls.crt", "ca.crt")
ORDER = b"\x0a\x05order"


def read():
    return tuple((TLS / name).read_bytes() for name in FILES)


class Reader:
    """The files as they were last read, and whether they are other ones now."""

    def __init__(self):
        self.seen = read()
        self.lock = threading.Lock()

    def config(self):
        key, chain, roots = self.seen
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots)

    def fetch(self):
        with self.lock:
            now = read()
            if now == self.seen:
                return None
            self.seen = now
            return self.config()


class Orders(grpc.GenericRpcHandler):
    def __init__(self, allowed):
        self.allowed = allowed

    def judge(self, context):
        peer = context.auth_context()
        names = [name.decode() for name in peer.get("x509_subject_alternative_name", ())]
        if names != [self.allowed]:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for you")

    def get(self, _, context):
        self.judge(context)
        return ORDER

    def watch(self, _, context):
        self.judge(context)
        while context.is_active():
            yield ORDER
            time.sleep(0.2)

    def service(self, details):
        if details.method == "/shop.Orders/Get":
            return grpc.unary_unary_rpc_method_handler(self.get)
        if details.method == "/shop.Orders/Watch":
            return grpc.unary_stream_rpc_method_handler(self.watch)
        return None


def main():
    mode, port, allowed = sys.argv[1:]
    reader = Reader()
    if mode == "dynamic":
        credentials = grpc.dynamic_ssl_server_credentials(
            reader.config(), reader.fetch, require_client_authentication=True
        )
    else:
        key, chain, roots = reader.seen
        credentials = grpc.ssl_server_credentials(
            [(key, chain)], root_certificates=roots, require_client_auth=True
        )
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=64),
        options=[("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers((Orders(allowed),))
    server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


main()
