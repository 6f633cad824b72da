"""Signs requests and verifies answers with http-message-signatures, a foreign implementation of RFC 9421.

Arguments: base URL, key id, secret (base64url). Prints one JSON list: for each case its status, the problem's code, and
whether the answer's signature, digest and tie to the request verified. `tests/signing/foreign.rs` knows what is right.
"""

import base64
import datetime
import json
import secrets
import sys

try:
    import requests
    from http_message_signatures import (
        HTTPMessageSigner,
        HTTPMessageVerifier,
        InvalidSignature,
        MappingKeyResolver,
        algorithms,
    )
except ImportError as error:
    sys.exit(f"The package {error.name} is missing: run ./test, which installs tests/foreign/requirements.txt.")

BASE, KEY_ID, SECRET = sys.argv[1], sys.argv[2], sys.argv[3]
SECRET = base64.urlsafe_b64decode(SECRET + "=" * (-len(SECRET) % 4))
COVERED = ("@method", "@path", "@query", "content-digest")
ANSWER = ('"@status"', '"content-digest"', '"signature";req;key="turnpike"')


def now(seconds=0):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


def prepare(method, target, body):
    request = requests.Request(method, BASE + target, data=body).prepare()
    # The client's own idea of a tidy URL is undone. (urllib3 still writes %c3 as %C3: so it is written here.)
    request.url = BASE + target
    request.headers["Content-Type"] = "application/json"
    return request


def sign(request, created=None, expires=None, key_id=KEY_ID, secret=SECRET):
    keys = MappingKeyResolver(public_keys={}, private_keys={key_id: secret})
    HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=keys).sign(
        request,
        key_id=key_id,
        created=created or now(),
        expires=expires,
        nonce=secrets.token_hex(16),
        label="turnpike",
        tag="turnpike",
        include_alg=True,
        covered_component_ids=COVERED,
        # The digest is the library's own too.
        body=request.body or b"",
    )
    return request


def verified(answer):
    keys = MappingKeyResolver(public_keys={KEY_ID: SECRET}, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=keys)
    try:
        results = verifier.verify(
            answer, expect_tag="turnpike", expect_label="turnpike", require_components=ANSWER, body=answer.content
        )
    except InvalidSignature:
        return False
    return len(results) == 1 and results[0].body == answer.content


SESSION = requests.Session()
SESSION.trust_env = False
TOLD = []


def send(name, request):
    answer = SESSION.send(request, timeout=30)
    code = answer.json().get("code")
    TOLD.append({"name": name, "status": answer.status_code, "code": code, "verified": verified(answer)})
    return answer


BODY = b'{"service":{"id":41}}'
send("POST with a body", sign(prepare("POST", "/v1/hooks/create", BODY)))
send("GET without a body", sign(prepare("GET", "/v1/plans?sort=name", b"")))
send("an empty query", sign(prepare("GET", "/v1/plans?", b"")))
send("a path and query in percent", sign(prepare("PUT", "/a%2Fb/%C3%A9/%7E?b=%20&a=%C3%BC&&c=", BODY)))
send("a body of bytes", sign(prepare("POST", "/v1/hooks/create", bytes(range(256)) * 99)))
send("with an expiry", sign(prepare("POST", "/v1/hooks/create", BODY), expires=now(30)))
TWICE = sign(prepare("POST", "/v1/hooks/create", BODY))
SESSION.send(TWICE, timeout=30).raise_for_status()
send("sent twice", TWICE)
OTHER = sign(prepare("POST", "/v1/hooks/create", BODY))
OTHER.prepare_body(b'{"service":{"id":42}}', None)
send("another body", OTHER)
send("signed too early", sign(prepare("POST", "/v1/hooks/create", BODY), created=now(-180)))
send("signed too late", sign(prepare("POST", "/v1/hooks/create", BODY), created=now(180)))
send("expired", sign(prepare("POST", "/v1/hooks/create", BODY), created=now(-60), expires=now(-30)))
send("another secret", sign(prepare("POST", "/v1/hooks/create", BODY), secret=b"a guess of thirty-two bytes here"))
send("another key", sign(prepare("POST", "/v1/hooks/create", BODY), key_id="other"))
send("not signed", prepare("POST", "/v1/hooks/create", BODY))
json.dump(TOLD, sys.stdout)
