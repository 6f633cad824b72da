"""Asks the service what its OpenAPI document allows, and more, with schemathesis: no 5xx, and no answer beside the document.

Arguments: base URL, key id, secret (base64url), what time it is there (Unix seconds), the one server record that may be called (JSON), how many cases an operation.
Prints one JSON object: how many operations and answers there were, by status, and what went wrong.
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


def tame(case):
    """Whatever was thought of, no router is called but the one that stands ready for it, and few services are made."""
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("server"), dict):
            body["server"] = SERVER
        if isinstance(body.get("service"), dict) and isinstance(body["service"].get("id"), int):
            body["service"]["id"] = 1 + abs(body["service"]["id"]) % 9


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
    statuses, wrong, operations = collections.Counter(), [], 0
    for found in schema.get_all_operations():
        operation = found.ok()
        operations += 1

        @hypothesis.settings(
            max_examples=CASES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        )
        @hypothesis.given(case=operation.as_strategy())
        def ask(case):
            tame(case)
            answer = case.call(base_url=BASE, session=session, timeout=60)
            statuses[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                for failure in group.exceptions:
                    told = f"{operation.method.upper()} {operation.path}: {failure}"
                    if len(wrong) < 20 and told not in wrong:
                        wrong.append(told)

        ask()
    json.dump({"operations": operations, "statuses": statuses, "wrong": wrong}, sys.stdout)


main()
