"""Drives a router with RouterOS-api and prints what it saw as JSON. Arguments: host, port, user, password."""

import json
import sys

import routeros_api
from routeros_api.exceptions import RouterOsApiError

host, port, user, password = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
saw = {}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def refusal(call):
    """The router's words when it refuses the call."""
    try:
        call()
    except RouterOsApiError as error:
        return text(error.original_message if hasattr(error, "original_message") else error.args[0])
    return None


def pool(word):
    return routeros_api.RouterOsApiPool(host, username=user, password=word, port=port, plaintext_login=True)


saw["bad_login"] = refusal(lambda: pool("wrong").get_api())
connection = pool(password)
api = connection.get_api()
saw["identity"] = api.get_resource("/system/identity").get()[0]["name"]

secrets = api.get_resource("/ppp/secret")
saw["added"] = text(secrets.add(name="cleo", password="pw", comment="8").done_message["ret"])
saw["twice"] = refusal(lambda: secrets.add(name="cleo", password="x"))
saw["bad_menu"] = refusal(lambda: api.get_resource("/ppp/secrt").get())
saw["row"] = [{key: row[key] for key in ("id", "name", "comment", "disabled")} for row in secrets.get(name="cleo")]
secrets.set(id=saw["added"], comment="changed")
saw["changed"] = [row["comment"] for row in secrets.get(name="cleo")]
saw["none"] = list(secrets.get(name="nobody"))
promises = [secrets.get_async(name="cleo") for _ in range(20)]
saw["at_once"] = [len(promise.get()) for promise in promises]
secrets.remove(id=saw["added"])
saw["gone"] = refusal(lambda: secrets.remove(id=saw["added"]))
saw["left"] = list(secrets.get())
saw["queues"] = len(api.get_resource("/queue/simple").get())
connection.disconnect()
print(json.dumps(saw))
