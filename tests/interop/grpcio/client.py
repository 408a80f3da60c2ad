"""A client of the records service that knows nothing of Schism but its .proto files.

It reads key, chain and roots as an agent delivers them, checks the server by its host name as
gRPC's C core does, fetches a token and uses it. One line a step; the first step that goes wrong
ends it with status 1.

The host name must be a DNS name of the server's leaf. Its SPIFFE ID in its place, through
`grpc.ssl_target_name_override`, leads nowhere: the C core sends it as server name indication, and
rustls ends the handshake of a client that sends a URI there.
"""

import argparse
import os
import pathlib
import sys
import time

import grpc
from schism.records.v1 import records_pb2, records_pb2_grpc
from schism.token.v1 import tokens_pb2, tokens_pb2_grpc

DEADLINE = 3
PATIENCE = 30


class Identity:
    """One generation of one workload's files, opened through one look at `current`."""

    def __init__(self, folder):
        self.generation = wait(lambda: resolved(folder / "current"), f"files in {folder}")
        read = lambda name: (self.generation / name).read_bytes()
        self.credentials = grpc.ssl_channel_credentials(
            root_certificates=read("trust.pem"),
            private_key=read("key.pem"),
            certificate_chain=read("chain.pem"),
        )

    def channel(self, host, port):
        return grpc.secure_channel(f"{host}:{port}", self.credentials)


def resolved(link):
    return pathlib.Path(os.path.realpath(link)) if link.exists() else None


def wait(look, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.1)
    raise SystemExit(f"FAILED: never: {what}")


def said(step):
    print(f"ok: {step}", flush=True)


def expect(what, seen, wanted):
    if seen != wanted:
        raise SystemExit(f"FAILED: {what}: {seen!r} instead of {wanted!r}")


def token_over(channel):
    stub = tokens_pb2_grpc.TokensStub(channel)
    ask = tokens_pb2.ExchangeRequest(audience="records")
    return stub.Exchange(ask, timeout=DEADLINE, wait_for_ready=True).token


def bearer(token):
    return (("authorization", f"Bearer {token}"),) if token else ()


def refusal(call):
    """The name of the refusal that a call ends with; nothing if it is served."""
    try:
        call()
    except grpc.RpcError as error:
        named = dict(error.trailing_metadata() or ())
        return named.get("x-refusal", f"{error.code().name}: {error.details()}")
    return None


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--host", required=True)
    words.add_argument("--files", required=True, type=pathlib.Path)
    words.add_argument("--records", required=True, type=int)
    words.add_argument("--token", required=True, type=int)
    words = words.parse_args()

    alice = Identity(words.files / "alice")
    said(f"grpcio {grpc.__version__} reads {alice.generation.name}")
    tokens, records = (alice.channel(words.host, port) for port in (words.token, words.records))
    token = token_over(tokens)
    said("the token service answers over mutual TLS, and its host name is checked")

    ask = records_pb2.ReadRequest(id="r1")
    read = lambda channel, token: records_pb2_grpc.RecordsStub(channel).Read(
        ask, timeout=DEADLINE, metadata=bearer(token)
    )
    write = records_pb2.WriteRequest(id="r1", text="a stranger was here")
    stub = records_pb2_grpc.RecordsStub(records)
    # The policy needs a moment after the start, and until then everything is refused.
    put = lambda: stub.Write(write, timeout=DEADLINE, metadata=bearer(token))
    wait(lambda: refusal(put) is None, "a write is served")
    expect("what was read", read(records, token).record.text, "a stranger was here")
    said("records are written and read with the token")

    expect("no token", refusal(lambda: read(records, None)), "token-missing")
    said("without a token: refused, token-missing")
    bob = Identity(words.files / "bob").channel(words.host, words.records)
    expect("another's token", refusal(lambda: read(bob, token)), "token-not-bound")
    said("alice's token over bob's leaf: refused, token-not-bound")
    by_address = alice.channel("127.0.0.1", words.records)
    ended = refusal(lambda: read(by_address, token)) or "it was served"
    if "Hostname Verification" not in ended:
        raise SystemExit(f"FAILED: a name that the leaf has not: {ended}")
    said("under a host name that the server's leaf has not: no connection")

    first = alice.generation
    wait(lambda: resolved(words.files / "alice" / "current") != first, "a new generation")
    alice = Identity(words.files / "alice")
    old, records = token, alice.channel(words.host, words.records)
    expect("the old leaf's token", refusal(lambda: read(records, old)), "token-not-bound")
    said(f"{alice.generation.name}, with the token of {first.name}: refused, token-not-bound")
    token = token_over(alice.channel(words.host, words.token))
    expect("after rotation", read(records, token).record.text, "a stranger was here")
    said("with a token of its own: served")
    return 0


if __name__ == "__main__":
    sys.exit(main())
