"""Asks the service what its OpenAPI document allows, and more, with schemathesis: no 5xx, and no answer beside the document.

Arguments: base URL, key id, secret (base64url), what time it is there (Unix seconds), the one server record that may be called (JSON), how many cases an operation (of what is forbidden, half as many).
Each operation is asked twice over: with what the document allows, and with what it forbids.
Prints one JSON object: how many operations and answers there were, by status, those to what is forbidden apart, and what went wrong.
"""

import base64
import collections
import datetime
import json
import secrets
import sys

try:
    import hypothesis
    import requests
    import schemathesis
    from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms
    from schemathesis.core.failures import FailureGroup
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks as openapi
except ImportError as error:
    sys.exit(f"The package {error.name} is missing: run ./test, which installs tests/foreign/requirements.txt.")

BASE, KEY_ID, SECRET, NOW, SERVER, CASES = *sys.argv[1:5], json.loads(sys.argv[5]), int(sys.argv[6])
SECRET = base64.urlsafe_b64decode(SECRET + "=" * (-len(SECRET) % 4))
COVERED = ("@method", "@path", "@query", "content-digest")


class Signed(requests.auth.AuthBase):
    """Signs whatever is about to be sent."""

    def __call__(self, request):
        # urllib3 would tidy the path after it was signed; a tidy one stays.
        request.url = requests.utils.requote_uri(request.url)
        keys = MappingKeyResolver(public_keys={}, private_keys={KEY_ID: SECRET})
        HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=keys).sign(
            request,
            key_id=KEY_ID,
            created=datetime.datetime.fromtimestamp(int(NOW), datetime.timezone.utc),
            nonce=secrets.token_hex(16),
            label="turnpike",
            tag="turnpike",
            include_alg=True,
            covered_component_ids=COVERED,
            body=request.body or b"",
        )
        return request


def tame(case, allowed):
    """Whatever was thought of, no router is called but the one that stands ready for it, and few services are made."""
    body = case.body
    if not isinstance(body, dict):
        return
    server, service = body.get("server"), body.get("service")
    if isinstance(server, dict) and allowed:
        body["server"] = SERVER
    elif isinstance(server, dict):
        # What is wrong about it stays wrong; where it leads is ours.
        for name, right in SERVER.items():
            if name in ("address", "port", "username", "password", "tls") and type(server.get(name)) is type(right):
                if name != "port" or 0 < server[name] < 65536:
                    server[name] = right
        for name in ("port", "password"):
            if server.get(name) is None:
                server[name] = SERVER[name]
        if isinstance(server.get("hostname"), str):
            server["hostname"] = SERVER["hostname"] if "address" in server else SERVER["address"]
    if isinstance(service, dict) and type(service.get("id")) is int and 0 < service["id"] < 2**63:
        service["id"] = 1 + service["id"] % 9


def is_no_object(body):
    """Whether that is nothing that any operation may take for its body. A part that a verb does not read may be odd; the whole may not."""
    return not isinstance(body, (dict, schemathesis.core.NotSet)) and body not in ([], b"", "")


# What the document promises of answers. That unsigned requests are refused, and other methods, is shown elsewhere.
CHECKS = [
    schemathesis.checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]


def main():
    document = requests.get(BASE + "/openapi.json", timeout=30).json()
    schema = schemathesis.openapi.from_dict(document)
    session = requests.Session()
    session.trust_env = False
    session.auth = Signed()
    statuses, forbidden, wrong, operations = collections.Counter(), collections.Counter(), [], 0

    def tell(operation, why):
        told = f"{operation.method.upper()} {operation.path}: {why}"
        if len(wrong) < 20 and told not in wrong:
            wrong.append(told)

    def ask_all(operation, mode):
        cases = CASES if mode is GenerationMode.POSITIVE else (CASES + 1) // 2
        @hypothesis.settings(
            max_examples=cases,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            allowed = mode is GenerationMode.POSITIVE
            tame(case, allowed)
            answer = case.call(base_url=BASE, session=session, timeout=60)
            (statuses if allowed else forbidden)[answer.status_code] += 1
            if not allowed and answer.status_code < 300 and is_no_object(case.body):
                tell(operation, f"{answer.status_code} to a body that is no object: {case.body!r}")
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                for failure in group.exceptions:
                    tell(operation, f"{failure}: {answer.status_code} {answer.text[:200]}")

        try:
            ask()
        except hypothesis.errors.Unsatisfiable:
            # Nothing can be wrong about a request that has neither a body nor an id.
            if mode is GenerationMode.POSITIVE:
                raise

    for found in schema.get_all_operations():
        operations += 1
        for mode in GenerationMode:
            ask_all(found.ok(), mode)
    told = {"operations": operations, "statuses": statuses, "forbidden": forbidden, "wrong": wrong}
    json.dump(told, sys.stdout)


main()
