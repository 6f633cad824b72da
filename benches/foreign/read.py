"""Reads every queue's counters with librouteros and prints the seconds that it took. The login is the simulator's."""

import sys
import time

from librouteros import connect

api = connect(host="127.0.0.1", port=int(sys.argv[1]), username="turnpike", password="router-password", timeout=600)
begun = time.perf_counter()
rows = sum(1 for _ in api.rawCmd("/queue/simple/print", "=.proplist=.id,name,comment,bytes,packets,disabled,dynamic,target"))
assert rows > 0
print(time.perf_counter() - begun)
