"""A stand-in of S3 or Cloud Storage: objects and multipart uploads over HTTP, for whoever signs with its secret, or at
Google shows it; breaks off and refuses as it is told."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from tests.serving.collector import is_signed
from tests.serving.listening import listening

DIGESTS = {"s3": "x-amz-meta-sha256", "gcs": "x-goog-meta-sha256"}


@dataclass
class BucketServer:
    """`objects` by key, each with the digest that it was put with. `uploads` are those that nobody has completed."""

    objects: dict[str, tuple[bytes, str | None]] = field(default_factory=dict)
    uploads: dict[str, tuple[str, str | None, dict[int, bytes]]] = field(default_factory=dict)
    # How often a read of this key breaks in the middle, and which part's number is refused with what status.
    breaks: dict[str, int] = field(default_factory=dict)
    refuses_part: dict[int, int] = field(default_factory=dict)
    # Keys that nobody may put, and whether completing answers 200 with a failure, as S3 does.
    read_only: tuple[str, ...] = ()
    fails_to_complete: bool = False
    # Keys of which what is put arrives otherwise than it was sent.
    spoils: tuple[str, ...] = ()
    # Prefixes below which its secret's owner may list.
    listable: tuple[str, ...] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    unsigned: int = 0
    url: str = ""

    def put(self, key: str, content: bytes) -> None:
        """As somebody does by hand: without a digest beside it."""
        self.objects[key] = (content, None)

    def written(self) -> list[str]:
        """Keys as they were put, in order."""
        return [key for method, key in self.asked if method in ("PUT", "COMPLETE")]


@contextmanager
def bucket_server(secret: str, kind: str = "s3") -> Iterator[BucketServer]:
    """Runs one on a port of its own; `url` is that of its only bucket."""
    served, digest_header = BucketServer(), DIGESTS[kind]

    def is_known(command: str, target: str, headers: dict[str, str], body: bytes) -> bool:
        if kind == "s3":
            return is_signed(command, target, headers, body, secret)
        # With a token it takes no header of Amazon's.
        return headers.get("authorization") == f"Bearer {secret}" and not any(name[:6] == "x-amz-" for name in headers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def do_HEAD(self) -> None:
            self._answer()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD  # noqa: N815 - the base class's names

        def _answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            path, _, query = self.path.partition("?")
            key, asked = unquote(path).removeprefix("/bucket/"), parse_qs(query, keep_blank_values=True)
            if not is_known(self.command, self.path, headers, body):
                served.unsigned += 1
                return self._send(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
            if self.command == "PUT" and key in served.spoils:
                body = bytes(len(body))
            sent = headers.get("content-md5")
            if sent is not None and base64.b64decode(sent) != hashlib.md5(body).digest():
                return self._send(400, b"<Error><Code>BadDigest</Code></Error>")
            if "list-type" in asked:
                return self._list(asked)
            if "uploadId" in asked or "uploads" in asked:
                return self._upload(key, asked, headers, body)
            served.asked.append((self.command, key))
            if self.command == "PUT":
                if key in served.read_only:
                    return self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
                served.objects[key] = (body, headers.get(digest_header))
                return self._send(200, b"", {"etag": '"whole"'})
            if key not in served.objects:
                # As for whoever may not list.
                return self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
            return self._read(key, headers.get("range"))

        def _list(self, asked: dict[str, list[str]]) -> None:
            """Two at a time, in their order, as for whoever may list below this prefix."""
            prefix, (after,) = asked["prefix"][0].removeprefix("bucket/"), asked.get("continuation-token", [""])
            served.asked.append(("LIST", prefix))
            keys = [key for key in sorted(served.objects) if key.startswith(prefix)]
            if prefix not in served.listable:
                return self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
            page = [key for key in keys if key > after.removesuffix("/+=")][:2]
            last = not page or page[-1] == keys[-1]
            more = "" if last else f"<NextContinuationToken>{page[-1]}/+=</NextContinuationToken>"
            found = "".join(f"<Contents><Key>bucket/{escape(key)}</Key></Contents>" for key in page)
            return self._send(200, f"<ListBucketResult>{more}{found}</ListBucketResult>".encode())

        def _read(self, key: str, wanted: str | None) -> None:
            content, digest = served.objects[key]
            said = {digest_header: digest} if digest else {}
            if self.command == "HEAD":
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                for name, value in said.items():
                    self.send_header(name, value)
                return self.end_headers()
            if wanted is None:
                return self._send(200, content, said)
            served.ranges.append(wanted)
            first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted).groups()  # pyright: ignore[reportOptionalMemberAccess]
            part = content[int(first) : int(last) + 1]
            if served.breaks.get(key):
                served.breaks[key] -= 1
                self.close_connection = True
                self.send_response(206)
                self.send_header("content-length", str(len(part)))
                self.end_headers()
                self.wfile.write(part[: len(part) // 2])
                return None
            return self._send(206, part, said)

        def _upload(self, key: str, asked: dict[str, list[str]], headers: dict[str, str], body: bytes) -> None:
            if self.command == "POST" and "uploads" in asked:
                upload = f"upload/{len(served.asked)}+{len(served.uploads)}=="
                served.asked.append(("BEGIN", key))
                served.uploads[upload] = (key, headers.get(digest_header), {})
                return self._send(200, f"<R><UploadId>{upload}</UploadId></R>".encode())
            upload = asked["uploadId"][0]
            if upload not in served.uploads:
                return self._send(404, b"<Error><Code>NoSuchUpload</Code></Error>")
            _, digest, parts = served.uploads[upload]
            if self.command == "DELETE":
                served.asked.append(("ABORT", key))
                del served.uploads[upload]
                return self._send(204, b"")
            if self.command == "PUT":
                number = int(asked["partNumber"][0])
                served.asked.append(("PART", f"{key} {number}"))
                if number in served.refuses_part:
                    return self._send(served.refuses_part.pop(number), b"<Error/>")
                parts[number] = body
                return self._send(200, b"", {"etag": f'"{hashlib.md5(body).hexdigest()}"'})
            if served.fails_to_complete:
                return self._send(200, b"<Error><Code>InternalError</Code></Error>")
            tags = re.findall(rb"<PartNumber>(\d+)</PartNumber><ETag>\"([0-9a-f]+)\"</ETag>", body)
            if [(int(number), tag.decode()) for number, tag in tags] != [
                (number, hashlib.md5(part).hexdigest()) for number, part in sorted(parts.items())
            ]:
                return self._send(400, b"<Error><Code>InvalidPart</Code></Error>")
            served.asked.append(("COMPLETE", key))
            served.objects[key] = (b"".join(part for _, part in sorted(parts.items())), digest)
            del served.uploads[upload]
            return self._send(200, b"<CompleteMultipartUploadResult/>")

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with listening(Handler) as url:
        served.url = f"{url}/bucket"
        yield served
