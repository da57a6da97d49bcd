"""AWS on 127.0.0.1: answers a real botocore on the wire, in each service's own protocol, with what a test says.

Answers are written as botocore's models of the services have them, so that what a test says is what AWS could say.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import botocore.session

ACCOUNT = "123456789012"
# By the name that requests are signed for, which is how rights call a service too.
MODELS = {
    "sts": "sts",
    "ec2": "ec2",
    "iam": "iam",
    "eks": "eks",
    "elasticloadbalancing": "elbv2",
    "route53": "route53",
    "servicequotas": "service-quotas",
    "s3": "s3",
}
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
Answer = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Refusal(Exception):
    """An answer that is an error of AWS'."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


class AwsApi:
    """`answers` are by `service:Operation`; `asked` are those that were asked for, in order, with their regions."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers, self.asked, self.regions = dict(answers), list[str](), set[str]()
        session = botocore.session.get_session()
        self.models = {name: session.get_service_model(model) for name, model in MODELS.items()}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self)

            def do_HEAD(self) -> None:
                api.answer(self)

            def do_POST(self) -> None:
                api.answer(self)

            def log_message(self, *arguments: Any) -> None:
                del arguments

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> AwsApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        signed = SIGNED_FOR.search(request.headers["Authorization"])
        assert signed, "what is not signed, AWS does not answer"
        region, service = signed.groups()
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        model = self.models[service]
        name, parameters = _operation(model, request, body)
        self.asked.append(f"{service}:{name}")
        self.regions.add(region)
        try:
            answer = self.answers[f"{service}:{name}"]
            said = answer(parameters) if callable(answer) else answer
            if isinstance(said, Refusal):
                raise said
            # Whoever asks for the head alone is told what there is by it.
            head = dict(said) if request.command == "HEAD" else {}
            status, text = 200, "" if head else _written(model, name, said)
        except Refusal as refusal:
            head, status, text = {}, refusal.status, _refused(model, refusal)
        content = text.encode()
        request.send_response(status)
        kind = "application/json" if "json" in model.metadata["protocol"] else "text/xml"
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(head.get("ContentLength", len(content))))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)


def _operation(model: Any, request: BaseHTTPRequestHandler, body: str) -> tuple[str, Mapping[str, Any]]:
    protocol = model.metadata["protocol"]
    if protocol in ("ec2", "query"):
        form = dict(parse_qsl(body))
        return form["Action"], form
    if protocol == "json":
        return request.headers["X-Amz-Target"].rpartition(".")[2], json.loads(body)
    url = urlsplit(request.path)
    for name in model.operation_names:
        http = model.operation_model(name).http
        uri = http["requestUri"].partition("?")[0]
        uri = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", uri)
        pattern = "/?".join(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", part) for part in [uri.rstrip("/"), ""])
        found = re.fullmatch(pattern, url.path)
        if found and http["method"] == request.command:
            return name, {**dict(parse_qsl(url.query)), **found.groupdict()}
    raise AssertionError(f"{request.command} {request.path}: no operation of {model.service_name}")


def _written(model: Any, name: str, said: Mapping[str, Any]) -> str:
    shape = model.operation_model(name).output_shape
    unknown = {*said} - {*shape.members}
    assert not unknown, f"{name} never answers {unknown}"
    protocol = model.metadata["protocol"]
    if "json" in protocol:
        return json.dumps(_json(shape, said))
    inside = _xml_members(shape, said, protocol)
    if protocol == "query":
        inside = f"<{name}Result>{inside}</{name}Result>"
    return f"<{name}Response>{inside}</{name}Response>"


def _refused(model: Any, refusal: Refusal) -> str:
    if "json" in model.metadata["protocol"]:
        return json.dumps({"__type": refusal.code, "code": refusal.code, "message": refusal.message})
    inside = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    if model.metadata["protocol"] == "ec2":
        return f"<Response><Errors>{inside}</Errors><RequestID>1</RequestID></Response>"
    return f"<ErrorResponse>{inside}<RequestId>1</RequestId></ErrorResponse>"


def _json(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        members = {key: shape.members[key] for key in value}
        return {each.serialization.get("name", key): _json(each, value[key]) for key, each in members.items()}
    if shape.type_name == "list":
        return [_json(shape.member, each) for each in value]
    return value


def _xml_members(shape: Any, value: Mapping[str, Any], protocol: str) -> str:
    return "".join(_xml(shape.members[key], key, each, protocol) for key, each in value.items())


def _xml(shape: Any, key: str, value: Any, protocol: str) -> str:
    name = shape.serialization.get("name", key)
    if shape.type_name == "structure":
        inside = _xml_members(shape, value, protocol)
    elif shape.type_name == "list":
        one = shape.member.serialization.get("name", "item" if protocol == "ec2" else "member")
        if shape.serialization.get("flattened"):
            return "".join(_xml(shape.member, name, each, protocol) for each in value)
        # What a list is called in is its own name's business, not that of what is in it.
        inside = "".join(_xml(shape.member, one, each, protocol) for each in value)
    else:
        inside = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{inside}</{name}>"
