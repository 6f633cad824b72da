// A running demo (or another server), a browser that can reach nothing else, and a visitor whose every trouble is
// remembered.
//
// TURNPIKE_BINARY names the program, TURNPIKE_BROWSER_MODULES the folder with node_modules, TURNPIKE_CHROMIUM the browser,
// TURNPIKE_SCREENSHOTS where pictures go. Nothing here waits for a time: only for what is to happen.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const modules = process.env.TURNPIKE_BROWSER_MODULES ?? path.join(top, 'target/test-env/browser');
export const binary = process.env.TURNPIKE_BINARY ?? path.join(top, 'target/debug/turnpike');
const shots = process.env.TURNPIKE_SCREENSHOTS ?? path.join(top, 'target/screenshots');
const require = createRequire(path.join(modules, 'package.json'));
const { chromium } = require('playwright-core');
const { source: axe } = require('axe-core');

/** Long enough for a machine that is busy with other tests, ms. */
export const PATIENCE = 60_000;

/** Every page, and what its picture is called. */
export const PAGES = {
    '/': 'start',
    '/story': 'story',
    '/client/41': 'ada',
    '/client/41/statistics': 'ada-statistics',
    '/client/42': 'charles',
    '/client/42/statistics': 'charles-statistics',
    '/admin/41': 'staff-ada',
    '/admin/42': 'staff-charles',
    '/mails': 'mails',
    '/mails/1': 'mail-threshold',
    '/mails/2': 'mail-suspension',
};

/** Whether a path is one of the addon's pages, which the demo shows too (addon.test.mjs crawls them). */
export const isAddon = (where) => /^\/staff(\?|$)/.test(where);

/** `turnpike demo` at a port of its own, its story told. */
async function openDemo() {
    const child = spawn(binary, ['demo', '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes) => (said += bytes));
    const failed = once(child, 'error').then(([error]) => Promise.reject(error));
    failed.catch(() => {});
    const ended = once(child, 'exit');
    const address = (async () => {
        for await (const line of readline.createInterface({ input: child.stdout })) {
            said += `${line}\n`;
            const found = /^See it in a browser: (http:\/\/127\.0\.0\.1:\d+)\//.exec(line);
            if (found) {
                child.stdout.resume();
                return found[1];
            }
        }
        throw new Error(`the demo ended without an address:\n${said}`);
    })();
    const stop = async () => {
        child.kill('SIGTERM');
        const [status] = await ended;
        assert.equal(status, 0, `the demo did not end well:\n${said}`);
    };
    return { base: await Promise.race([address, failed]), stop };
}

function openBrowser() {
    return chromium.launch({
        executablePath: process.env.TURNPIKE_CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        timeout: PATIENCE,
        args: [
            '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
            '--disable-component-update', '--disable-sync', '--no-proxy-server',
            // Whatever the browser wants for itself, there is no other host.
            '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
        ],
    });
}

/** A server, the demo unless told otherwise, and a browser, and how to visit the one with the other. */
export async function open(openServer = openDemo) {
    const [server, browser] = await Promise.all([openServer(), openBrowser()]);
    return {
        ...server,
        /**
         * A visitor with a fresh profile. When `does` is through, nothing may have been asked of another host, and no
         * error may stand on the console but those that `forgive` matches.
         */
        async visit(options, does, forgive = /^(?!)/) {
            const { width = 1200, height = 900, ...rest } = options;
            const context = await browser.newContext({ viewport: { width, height }, baseURL: server.base, ...rest });
            context.setDefaultTimeout(PATIENCE);
            const troubles = [];
            context.on('request', (request) => {
                const { protocol, origin } = new URL(request.url());
                if (protocol !== 'data:' && protocol !== 'about:' && origin !== server.base) {
                    troubles.push(`asks elsewhere: ${request.url()}`);
                }
            });
            context.on('console', (message) => {
                if (['error', 'warning'].includes(message.type()) && !forgive.test(message.text())) {
                    troubles.push(`${message.page()?.url()} console: ${message.text()}`);
                }
            });
            context.on('weberror', (error) => troubles.push(`${error.page()?.url()}: ${error.error().stack}`));
            try {
                await does(await context.newPage(), context);
            } finally {
                await context.close();
            }
            assert.deepEqual(troubles, []);
        },
        async close() {
            await browser.close();
            await server.stop();
        },
    };
}

/** Opens a page that must be there. */
export async function go(page, where) {
    const answer = await page.goto(where);
    assert.equal(answer.status(), 200, where);
    return answer;
}

/** Fails where the page can be scrolled sideways, and names what sticks out. */
export async function fits(page, where) {
    const out = await page.evaluate(() => {
        const wide = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= wide) return [];
        const all = [...document.querySelectorAll('body *')];
        const past = all.filter((it) => it.getBoundingClientRect().right > wide + 0.5);
        return [`${document.documentElement.scrollWidth} of ${wide} px`, ...past.map((it) => it.outerHTML.slice(0, 120))];
    });
    assert.deepEqual(out, [], `${where} scrolls sideways`);
}

/** Opens all that is folded. */
export async function unfold(page) {
    await page.evaluate(() => document.querySelectorAll('details').forEach((it) => (it.open = true)));
}

/** What axe-core finds to be serious or critical, as sentences. */
export async function barriers(page) {
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { iframes: false, resultTypes: ['violations'] }));
    assert.ok(found.passes.length > 5, 'axe-core looked at nothing');
    return found.violations
        .filter((it) => ['serious', 'critical'].includes(it.impact))
        .flatMap((it) => it.nodes.map((node) => `${it.id} (${it.impact}): ${node.html.slice(0, 160)} ${node.failureSummary}`));
}

/** A picture of the whole page, for a person. */
export async function picture(page, name) {
    const before = page.viewportSize();
    // Grown for real, and not for the picture alone: a frame of another process is drawn late otherwise.
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: before.width, height: Math.max(before.height, height) });
    await page.screenshot({ path: path.join(shots, `${name}.png`), animations: 'disabled' });
    await page.setViewportSize(before);
}
