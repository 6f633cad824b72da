"""Checks a request that the bridge signed and signs an answer to it, by the PyPI package http-message-signatures (3.x).

Reads one JSON object from standard input (secret, url, headers, body, answer), writes one (nonce, headers, body).
"""

import base64
import hashlib
import json
import sys
from types import SimpleNamespace

from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

task = json.load(sys.stdin)
secret = base64.b64decode(task["secret"])


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id):
        assert key_id == "whmcs", key_id
        return secret

    def resolve_private_key(self, key_id):
        return secret


def digest(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


request = SimpleNamespace(method="POST", url=task["url"], headers=dict(task["headers"]))
verifier = HTTPMessageVerifier(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys())
found = verifier.verify(
    request,
    expect_tag="turnpike",
    expect_label="turnpike",
    require_components=("@method", "@path", "@query", "content-digest"),
    body=task["body"].encode(),
)
assert len(found) == 1, found

body = task["answer"].encode()
answer = SimpleNamespace(status_code=207, headers={"Content-Digest": digest(body)}, request=request)
HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys()).sign(
    answer,
    key_id="whmcs",
    label="turnpike",
    tag="turnpike",
    use_existing_digest=True,
    covered_component_ids=("@status", "content-digest", '"signature";req;key="turnpike"'),
)
json.dump({"nonce": found[0].nonce, "headers": answer.headers, "body": body.decode()}, sys.stdout)
