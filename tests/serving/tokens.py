"""Issuers for the gateway's tests: keys, tokens, and an HTTP server that publishes a key set and counts who asks."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "slipway"


class SigningKey:
    """One key of an issuer, private and public."""

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any
        if algorithm.startswith(("RS", "PS")):
            self.private = rsa.generate_private_key(65537, 2048)
            self._jwk: Any = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            self._jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            self._jwk = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)

    @property
    def jwk(self) -> dict[str, Any]:
        return {**self._jwk, "kid": self.key_id, "use": "sig"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.key_id, **header})


def key_set(*keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


def claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Good claims; a change to None takes one away."""
    now = int(time.time())
    good = {"iss": issuer, "aud": AUDIENCE, "sub": "someone@example.com", "azp": "team-a", "iat": now, "exp": now + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


class KeyServer:
    """Publishes `body` at `url`; `asked` counts the readings."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = 200
        self.delay = 0.0
        self.asked = 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked += 1
                time.sleep(owner.delay)
                self.send_response(owner.status)
                self.send_header("Content-Length", str(len(owner.body)))
                self.end_headers()
                self.wfile.write(owner.body)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> KeyServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def issuer(name: str, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The configuration of one issuer that maps team-* to the client dev and the group narrow to narrow."""
    return {
        "issuer": name,
        "audience": [AUDIENCE],
        "clients": [
            {"claim": "groups", "matches": "narrow", "client": "narrow"},
            {"claim": "azp", "matches": "team-*", "client": "dev"},
        ],
        **source,
        **changes,
    }
