"""Drives a router with librouteros and prints what it saw as JSON. Arguments: host, port, user, password."""

import json
import sys

from librouteros import connect
from librouteros.exceptions import LibRouterosError, MultiTrapError, TrapError
from librouteros.query import Key

host, port, user, password = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
saw = {}


def refusal(call):
    """The router's words when it refuses the call."""
    try:
        call()
    except MultiTrapError as error:
        return [trap.message for trap in error.traps]
    except TrapError as error:
        return error.message
    except LibRouterosError as error:
        return f"{type(error).__name__}: {error}"
    return None


saw["bad_login"] = refusal(lambda: connect(host=host, port=port, username=user, password="wrong", timeout=20))
api = connect(host=host, port=port, username=user, password=password, timeout=20, encoding="utf-8")
saw["identity"] = next(iter(api("/system/identity/print")))["name"]

secrets = api.path("ppp", "secret")
saw["added"] = secrets.add(name="ada", password="p=w", service="l2tp", comment="Zoë | 7")
secrets.add(name="bea", password="pw", disabled=True)
saw["twice"] = refusal(lambda: secrets.add(name="ada", password="x"))
saw["no_profile"] = refusal(lambda: secrets.add(name="eve", profile="gold"))
saw["bad_argument"] = refusal(lambda: secrets.add(name="eve", colour="red"))
saw["bad_menu"] = refusal(lambda: tuple(api("/ppp/secrt/print")))

name, disabled, comment, ros_id = Key("name"), Key("disabled"), Key("comment"), Key(".id")
saw["ada"] = list(secrets.select(ros_id, name, comment, disabled).where(name == "ada"))
saw["disabled"] = [row["name"] for row in secrets.select(name).where(disabled == True)]  # noqa: E712
saw["in"] = [row["name"] for row in secrets.select(name).where(name.In("ada", "bea", "nobody"))]
saw["not"] = [row["name"] for row in secrets.select(name).where(name != "ada")]

secrets.update(**{".id": saw["added"], "comment": "changed"})
saw["changed"] = list(secrets.select(comment).where(name == "ada"))
saw["none"] = list(secrets.select(name).where(name == "nobody"))
saw["count"] = next(iter(api.rawCmd("/ppp/secret/print", "=count-only=")))["ret"]
ids = [row[".id"] for row in secrets.select(ros_id)]
secrets.remove(*ids)
saw["gone"] = refusal(lambda: secrets.remove(saw["added"]))
saw["left"] = list(secrets)

queues = list(api.path("queue", "simple").select(name, Key("max-limit"), Key("bytes")))
saw["queues"] = len(queues)
saw["last_queue"] = queues[-1] if queues else None
saw["whole_rows"] = len(list(api.path("queue", "simple")))
api.close()
print(json.dumps(saw))
