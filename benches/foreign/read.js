// Reads every queue's counters with node-routeros and prints the seconds that it took. The login is the simulator's.
const { createRequire } = require("node:module");
const { performance } = require("node:perf_hooks");
const folder = process.env.TURNPIKE_NODE_MODULES;
const { RouterOSAPI } = (folder ? createRequire(folder + "/") : require)("node-routeros");

(async () => {
  const api = new RouterOSAPI({
    host: "127.0.0.1", port: Number(process.argv[2]), user: "turnpike", password: "router-password", timeout: 600,
  });
  await api.connect();
  const begun = performance.now();
  const rows = await api.write("/queue/simple/print", ["=.proplist=.id,name,comment,bytes,packets,disabled,dynamic,target"]);
  if (!rows.length) throw new Error("no rows");
  console.log((performance.now() - begun) / 1000);
  await api.close();
})().catch((error) => { console.error(String(error)); process.exit(1); });
