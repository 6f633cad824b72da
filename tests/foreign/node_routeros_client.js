// Drives a router with node-routeros and prints what it saw as JSON. Arguments: host, port, user, password.
// node-routeros 1.6.9 does not know `!empty` (RouterOS 7.18 and later), so the last step may end in an uncaught exception;
// what it says is part of what was seen.
'use strict';

const { RouterOSAPI } = require('node-routeros');

const [host, port, user, password] = process.argv.slice(2);
const saw = {};
const login = (word) => new RouterOSAPI({ host, port: Number(port), user, password: word, timeout: 20 });

async function refusal(call) {
    try {
        await call();
    } catch (error) {
        return error.message;
    }
    return null;
}

function finish(code) {
    process.stdout.write(`${JSON.stringify(saw)}\n`, () => process.exit(code));
}

async function main() {
    saw.bad_login = await refusal(() => login('wrong').connect());
    const api = login(password);
    await api.connect();
    saw.identity = (await api.write('/system/identity/print'))[0].name;
    saw.added = (await api.write('/ppp/secret/add', ['=name=dora', '=password=pw', '=comment=9']))[0].ret;
    saw.twice = await refusal(() => api.write('/ppp/secret/add', ['=name=dora', '=password=x']));
    saw.row = await api.write('/ppp/secret/print', ['?name=dora', '=.proplist=.id,name,comment']);
    await api.write('/ppp/secret/set', [`=.id=${saw.added}`, '=comment=changed']);
    saw.changed = (await api.write('/ppp/secret/print', ['?name=dora', '=.proplist=comment']))[0].comment;
    const together = Array.from({ length: 20 }, () => api.write('/ppp/secret/print', ['?name=dora']));
    saw.at_once = (await Promise.all(together)).map((rows) => rows.length);
    saw.queues = (await api.write('/queue/simple/print', ['=.proplist=.id,name,bytes'])).length;
    await api.write('/ppp/secret/remove', [`=.id=${saw.added}`]);
    saw.gone = await refusal(() => api.write('/ppp/secret/remove', [`=.id=${saw.added}`]));
    process.once('uncaughtException', (error) => {
        saw.none = `uncaught: ${error.message}`;
        finish(0);
    });
    saw.none = await api.write('/ppp/secret/print', ['?name=nobody']);
    await api.close();
    finish(0);
}

main().catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
