// WHMCS in little, for a browser: PHP's web server with the bridge in it (whmcs-bridge/tests/site.php), the real service
// behind that, a simulated router behind that. All in a temporary folder and on loopback; close() leaves nothing.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { promisify } from 'node:util';
import { binary, go, modules, open, top } from './house.mjs';

const run = promisify(execFile);

/** Product settings by their place among WHMCS's configoptions. */
const SETTINGS = {
    profile: 2, download_mbps: 4, upload_mbps: 5, traffic_gb_monthly: 7, threshold_gb: 14, instruction_url: 17,
    support_pptp: 18, support_l2tp: 19, l2tp_psk: 20,
};
export const PSK = 'psk&"tünnel"/<1>';
const PRODUCTS = [
    { id: 2, name: 'VPN 10', profile: 'default', download_mbps: '10', upload_mbps: '0', traffic_gb_monthly: '1',
        threshold_gb: '0.1', instruction_url: 'https://example.net/manual', support_pptp: 'on', support_l2tp: 'on', l2tp_psk: PSK },
    { id: 3, name: 'VPN unmetered', profile: 'default', download_mbps: '50', upload_mbps: '50', support_pptp: 'on' },
];

/** Bytes in a GB as the service counts by default. */
export const GB = 1024 ** 3;

async function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

/** Until `asks` succeeds; `alive` throws when it no longer can. */
async function until(asks, alive) {
    for (;;) {
        try {
            return await asks();
        } catch (error) {
            alive(error);
            await new Promise((soon) => setTimeout(soon, 20));
        }
    }
}

/** A program of ours that runs until it is told to stop; what it says goes to `said`. */
function start(command, args, options) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    const ended = once(child, 'exit');
    const it = { child, said: '' };
    child.stderr.on('data', (bytes) => (it.said += bytes));
    it.alive = (cause) => assert.equal(child.exitCode, null, `${command} ${args[0]} has ended: ${it.said} ${cause}`);
    it.stop = async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
        await ended;
    };
    return it;
}

/** The service, in a folder of its own; it can be stopped and started again. */
async function openSidecar(folder) {
    const [http, ops] = [await freePort(), await freePort()];
    const env = {
        ...process.env, TURNPIKE_HTTP__LISTEN: `127.0.0.1:${http}`, TURNPIKE_OPS__LISTEN: `127.0.0.1:${ops}`,
        TURNPIKE_MAIL__TRANSPORT: 'whmcs', TURNPIKE_COLLECT__POLL_SECONDS: '0', TURNPIKE_COLLECT__SANITY_FACTOR: '0',
        TURNPIKE_NETFLOW__SHOW_PASSWORD: 'true',
    };
    const config = path.join(folder, 'turnpike.toml');
    await run(binary, ['init', '--dir', folder], { env });
    const { stdout } = await run(binary, ['pair', '--config', config], { env });
    const [code] = /tp1_\S+/.exec(stdout);
    let serving;
    const sidecar = {
        code,
        async start() {
            serving = start(binary, ['serve', '--config', config], { env, cwd: folder });
            serving.child.stdout.resume();
            await until(async () => assert.equal((await fetch(`http://127.0.0.1:${ops}/readyz`)).status, 200), serving.alive);
        },
        stop: () => serving.stop(),
    };
    await sidecar.start();
    return sidecar;
}

/** The router: one line in, one line out. */
async function openRouter() {
    const simulator = start(binary, ['simulate', '--port', '0'], {});
    const lines = readline.createInterface({ input: simulator.child.stdout })[Symbol.asyncIterator]();
    const line = async () => {
        const { value, done } = await lines.next();
        assert.ok(!done, `the simulator ended: ${simulator.said}`);
        const answer = JSON.parse(value);
        assert.equal(answer.error, undefined, value);
        return answer;
    };
    const about = await line();
    const obey = (what, order = {}) => {
        simulator.child.stdin.write(`${JSON.stringify({ do: what, ...order })}\n`);
        return line();
    };
    return {
        about,
        do: obey,
        /** The rows of a menu that belong to a user. */
        rows: async (menu, name) => (await obey('print', { path: menu })).rows.filter((row) => row.name === name),
        stop: simulator.stop,
    };
}

async function openSite(folder, code) {
    const port = await freePort();
    const env = {
        ...process.env, TURNPIKE_SITE_CODE: code, TURNPIKE_SITE_DATABASE: path.join(folder, 'whmcs.sqlite'),
        TURNPIKE_SITE_PACKAGES: path.join(modules, 'node_modules'),
    };
    const site = start('php', [
        '-d', `session.save_path=${folder}`, '-d', `error_log=${path.join(folder, 'php.log')}`, '-d', 'display_errors=1',
        '-S', `127.0.0.1:${port}`, path.join(top, 'whmcs-bridge/tests/site.php'),
    ], { env });
    site.child.stdout.resume();
    const origin = `http://127.0.0.1:${port}`;
    await until(() => fetch(`${origin}/nothing`), site.alive);
    return { site, origin };
}

/**
 * All three, WHMCS with its server and products.
 *
 * @param {{paired?: boolean}} how whether WHMCS is paired from the start
 */
async function openServer({ paired = true } = {}) {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'turnpike-browser-'));
    const [sidecar, router] = await Promise.all([openSidecar(folder), openRouter()]);
    const { site, origin } = await openSite(folder, paired ? sidecar.code : '');
    const order = async (what, more = {}) => {
        const answer = await fetch(`${origin}/kernel`, { method: 'POST', body: JSON.stringify({ do: what, ...more }) });
        const text = await answer.text();
        assert.equal(answer.status, 200, text);
        const { did, notices } = JSON.parse(text);
        assert.deepEqual(notices, []);
        return did;
    };
    const store = (table, id, values) => order('store', { table, where: { id }, values });
    const command = async (name, service, more = {}) =>
        assert.equal(await order('command', { name, service, more }), 'success', `${name} ${service}`);
    const { address, username, password } = router.about;
    await store('tblservers', 3, {
        name: 'core-1', type: 'turnpike', hostname: 'vpn1.example.net', ipaddress: '127.0.0.1', username, password,
        secure: '', port: Number(address.split(':').pop()), assignedips: '10.8.0.2-10.8.0.99',
    });
    for (const { id, name, ...settings } of PRODUCTS) {
        const options = Object.entries(settings).map(([key, value]) => [`configoption${SETTINGS[key]}`, value]);
        await store('tblproducts', id, { name, type: 'other', servertype: 'turnpike', ...Object.fromEntries(options) });
    }
    return {
        base: origin, folder, sidecar, router, order, store, command,
        addon: '/billing/admin/addonmodules.php?module=turnpike',
        /** A service of Ada's; made on the router unless it is said otherwise. Its user name. */
        async service(id, { product = 2, make = true } = {}) {
            await store('tblhosting', id, {
                userid: 7, server: 3, packageid: product, domainstatus: 'Pending', billingcycle: 'Monthly',
                nextduedate: '2036-12-01', password: '',
            });
            if (make) await command('CreateAccount', id);
            return `7-${id}`;
        },
        /** The password that WHMCS holds. */
        password: (id) => order('password', { service: id }),
        async dial(id) {
            const user = `7-${id}`;
            await router.do('connect', { user, password: await order('password', { service: id }), service: 'l2tp' });
        },
        /** The customer moves traffic, and it is collected. */
        async carry(id, down, up) {
            await router.do('carry', { user: `7-${id}`, down, up });
            assert.equal(await order('usage', { server: 3 }), 'success');
        },
        log: () => readFile(path.join(folder, 'php.log'), 'utf8').catch(() => ''),
        async stop() {
            await Promise.all([site.stop(), router.stop(), sidecar.stop()]);
            await rm(folder, { recursive: true });
        },
    };
}

/** WHMCS and a browser. */
export const openWhmcs = (how) => open(() => openServer(how));

/** The address of a service's page. */
export const product = (id, more = '') => `/billing/clientarea.php?action=productdetails&id=${id}${more}`;

/** Opens a service's page. */
export const see = (page, id, more = '') => go(page, product(id, more));
