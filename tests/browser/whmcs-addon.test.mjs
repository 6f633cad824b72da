// The addon's pages inside WHMCS's admin area: real PHP, the real service, a simulated router, a wrapper of ours in
// Bootstrap 3. WHMCS is not paired when this begins; the first test does it. The last one takes the service away.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE, barriers, fits, go, picture, unfold } from './house.mjs';
import { GB, openWhmcs, product } from './whmcs.mjs';

const options = { timeout: PATIENCE * 3 };
let whmcs;
before(async () => (whmcs = await openWhmcs({ paired: false })), options);
after(() => whmcs?.close(), options);

const at = (more) => whmcs.addon + more;
const router = async (id) => (await whmcs.router.rows('/ppp/secret', `7-${id}`))[0];
/** The ledger's amounts on an account's page, the latest first. */
const ledger = (page) => page.getByRole('region', { name: 'Ledger' }).locator('td[data-label=Amount]').allInnerTexts();
const said = (page) => page.locator('.tp-said').first();

test('WHMCS is paired by pasting the code; a wrong one is explained and changes nothing', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, whmcs.addon);
        const box = page.getByLabel('Pairing code');
        const connect = page.getByRole('button', { name: 'Connect' });
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-admin-unpaired-1200');
        for (const wrong of ['hello', `${whmcs.sidecar.code.slice(0, -4)}abcd`]) {
            await box.fill(wrong);
            await connect.click();
            await page.getByText('The pairing code was not saved, and nothing was changed.').waitFor();
            assert.equal((await page.content()).includes(wrong), false, 'what may be a secret is not shown again');
        }
        await picture(page, 'whmcs-admin-wrong-code-1200');
        await box.fill(` ${whmcs.sidecar.code}\n`);
        await connect.dblclick();
        await page.getByRole('status').getByText('WHMCS and Turnpike are connected.').waitFor();
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-admin-paired-1200');
        await page.getByRole('link', { name: 'Back to the pages' }).click();
        await page.getByRole('heading', { name: 'Overview' }).waitFor();
    });
    await whmcs.service(41);
    await whmcs.service(42);
    await whmcs.dial(41);
    await whmcs.carry(41, Math.round(0.4 * GB), Math.round(0.1 * GB));
});

/** Fills in a NetFlow record's form. */
async function fill(page, fields) {
    for (const [name, value] of Object.entries(fields)) await page.getByLabel(name, { exact: true }).fill(value);
}

const RECORD = {
    'Service': '500', 'NetFlow URL': 'https://netflow.example.net/', 'Username': 'ada & "co" <b>', 'Password': 's3cret&amp;',
    'NetFlow Group': 'Customers', 'IP Address': '192.0.2.0/29', 'Notes': 'for staff\nalone',
};

test('a record is added once by a double click, and the way back and loading again send nothing', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, at('&page=netflow'));
        await page.getByRole('link', { name: 'Add access' }).click();
        await page.getByLabel('Enabled').check();
        await fill(page, RECORD);
        const posts = [];
        page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
        await page.getByRole('button', { name: 'Save' }).dblclick();
        await page.getByRole('link', { name: 'Service 500' }).first().waitFor();
        assert.match(await said(page).innerText(), /^The NetFlow access of service 500 is added\.$/);
        await go(page, at('&page=netflow'));
        assert.equal(await page.getByRole('rowheader', { name: /Service 500/ }).count(), 1);
        assert.match(await page.getByRole('row').nth(1).innerText(), /ada & "co" <b>/);
        await page.reload();
        const sent = posts.length;
        await page.goBack();
        await page.goForward();
        assert.equal(posts.length, sent, 'nothing is sent again');
        assert.equal(await page.getByRole('rowheader').count(), 1);
    });
});

test('a record that was saved is left behind: the way back from its list sends nothing anew', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, at('&page=netflow&service=500'));
        await page.getByLabel('NetFlow Group').fill('Second');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('The NetFlow access of service 500 is changed.').waitFor();
        assert.equal(new URL(page.url()).search, '?module=turnpike&page=netflow', 'the page after is one to look at');
        await page.reload();
        assert.equal(await page.getByText('is changed.').count(), 0, 'it is said once');
        await page.goBack();
        await page.getByRole('heading', { name: 'NetFlow access of service 500' }).waitFor();
        assert.equal(await page.getByLabel('NetFlow Group').inputValue(), 'Second');
    });
});

test('an error keeps what was typed, stands at its field, and never gives the password back', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, at('&page=netflow&add=1'));
        const typed = { ...RECORD, 'Service': '4711', 'NetFlow URL': 'https://netflow.example.net/?a="b"&c=<d>' };
        await fill(page, typed);
        await page.getByRole('button', { name: 'Save' }).click();
        const field = page.getByLabel('Service', { exact: true });
        await page.locator('[aria-invalid=true]').waitFor();
        assert.equal(await field.getAttribute('aria-invalid'), 'true');
        const [fault] = (await field.getAttribute('aria-describedby')).split(' ');
        assert.match(await page.locator(`#${fault}`).innerText(), /none with the number 4711/);
        const { Password, ...kept } = typed;
        for (const [name, value] of Object.entries(kept)) {
            assert.equal(await page.getByLabel(name, { exact: true }).inputValue(), value, name);
        }
        assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '');
        assert.equal((await page.content()).includes('s3cret'), false);
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-admin-netflow-error-1200');
        await fill(page, { 'Service': '41', Password });
        await page.getByLabel('Enabled').uncheck();
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('The NetFlow access of service 41 is added.').waitFor();
    });
});

test('records are found by what they are about, changed and deleted; a blank password keeps the stored one', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, at('&page=netflow'));
        assert.equal(await page.getByRole('rowheader').count(), 2);
        for (const [wanted, found] of [['41', 1], ['192.0.2', 2], ['second', 1], ['nobody', 0]]) {
            await page.getByRole('searchbox', { name: 'Find' }).fill(wanted);
            await page.getByRole('search').getByRole('button', { name: 'Show' }).click();
            await page.waitForURL((url) => url.searchParams.get('q') === wanted);
            assert.equal(await page.getByRole('rowheader').count(), found, wanted);
        }
        await go(page, at('&page=netflow&service=500'));
        assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '');
        await page.getByText('leave this blank to keep it').waitFor();
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('is changed.').waitFor();
        assert.match(await page.getByRole('row', { name: /Service 500/ }).innerText(), /password stored/);
        assert.equal((await page.content()).includes('s3cret'), false);
        await page.getByRole('link', { name: 'Service 500' }).click();
        await page.getByText('Delete', { exact: true }).click();
        await page.getByRole('button', { name: 'Yes, delete it' }).dblclick();
        await page.getByText(/of service 500 (is removed|was removed before)\./).waitFor();
        assert.equal(await page.getByRole('rowheader').count(), 1);
        // The customer of the other has it on the page, and only there.
        await go(page, product(41));
        assert.equal(await page.getByText('Network usage').count(), 0, 'it was added disabled');
        await go(page, at('&page=netflow&service=41'));
        await page.getByLabel('Enabled').check();
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('is changed.').waitFor();
        await go(page, product(41));
        await page.getByRole('heading', { name: 'Network usage' }).waitFor();
        assert.equal((await page.content()).includes('for staff'), false, 'notes are not for customers');
    });
});

test('an account is found, blocked and unblocked, each once though clicked twice', options, async () => {
    await whmcs.visit({}, async (page) => {
        await go(page, at('&page=accounts'));
        await page.getByRole('link', { name: /7-41/ }).first().click();
        await page.getByText('Block', { exact: true }).click();
        await page.getByRole('button', { name: 'Block the account' }).click();
        assert.equal(await page.getByLabel('Reason').evaluate((it) => it.validity.valueMissing), true, 'a reason is asked for');
        await page.getByLabel('Reason').fill('sends <spam> & more');
        await page.getByRole('button', { name: 'Block the account' }).dblclick();
        await page.getByText('Why it is off:').waitFor();
        assert.match(await page.locator('main, body').first().innerText(), /sends <spam> & more \(by grace\)/);
        assert.match(String((await router(41)).disabled), /true|yes/);
        assert.equal((await whmcs.router.rows('/ppp/active', '7-41')).length, 0);
        await picture(page, 'whmcs-admin-blocked-1200');
        await page.reload();
        await page.getByRole('button', { name: 'Unblock' }).dblclick();
        await page.getByText('Block', { exact: true }).waitFor();
        assert.match(String((await router(41)).disabled), /false|no/);
        // Back at the page that had the button: pressing it there is harmless too.
        await page.goBack();
        await go(page, at('&page=accounts&service=41'));
        assert.equal(await page.getByText('Why it is off:').count(), 0);
    });
});

test('traffic is booked once, however often its form is sent, and the form after that is another', options, async () => {
    await whmcs.visit({}, async (page, context) => {
        await go(page, at('&page=accounts&service=41'));
        const before = await ledger(page);
        const book = async (gb) => {
            await page.getByText('Add traffic', { exact: true }).click();
            await page.getByLabel('GB', { exact: true }).fill(gb);
            await page.getByLabel('Note', { exact: true }).fill('for <you>');
        };
        await book('2.5');
        const form = await page.locator('form', { hasText: 'Book it' }).evaluate((it) => Object.fromEntries(new FormData(it)));
        const answer = page.waitForURL('**&service=41');
        await page.getByRole('button', { name: 'Book it' }).dblclick();
        await answer;
        await said(page).getByText('2.5 GB booked').waitFor();
        const posts = [1, 2, 3].map(() => context.request.post(`${whmcs.base}${at('&page=accounts&service=41')}`, { form }));
        for (const answer of await Promise.all(posts)) assert.equal(answer.status(), 200);
        await go(page, at('&page=accounts&service=41'));
        const after = await ledger(page);
        assert.equal(after.length, before.length + 1, after.join());
        assert.match(after[0], /^\+2\.5/);
        await page.reload();
        await book('2.5');
        await page.getByRole('button', { name: 'Book it' }).click();
        await said(page).getByText('2.5 GB booked').waitFor();
        await page.reload();
        assert.equal((await ledger(page)).length, before.length + 2, 'the same amount meant twice is booked twice');
        await book('nothing');
        await page.getByRole('button', { name: 'Book it' }).click();
        await page.locator('.tp-danger').getByText('must be a number of GB').waitFor();
        assert.equal((await ledger(page)).length, before.length + 2);
    });
});

test('a form that WHMCS did not give out does nothing', options, async () => {
    await whmcs.visit({}, async (page, context) => {
        await go(page, at('&page=accounts&service=42'));
        const form = await page.locator('form', { hasText: 'Block the account' }).evaluate((it) =>
            Object.fromEntries(new FormData(it)));
        for (const change of [{ token: 'forged' }, { turnpike_form: 'forged' }]) {
            const sent = { ...form, reason: 'x', ...change };
            const answer = await context.request.post(`${whmcs.base}${at('&page=accounts&service=42')}`, { form: sent });
            assert.match(await answer.text(), /This form had expired, nothing was changed/);
        }
        assert.match(String((await router(42)).disabled), /false|no/);
    });
});

/** The same page for another account, or with other rows. */
const IS_LIKE = /[?&](shown|server|service=42)\b/;

/** Follows the addon's links from page to page; `does` looks at each. How many there were. */
async function crawl(page, does) {
    const seen = new Set();
    const ahead = [whmcs.addon];
    while (ahead.length > 0) {
        const where = ahead.pop();
        if (seen.has(where)) continue;
        seen.add(where);
        await go(page, where);
        const links = await page.locator('a[href]').evaluateAll((all) =>
            all.map((it) => new URL(it.href)).filter((it) => it.origin === location.origin).map((it) => it.pathname + it.search));
        ahead.push(...links.filter((link) => link.startsWith(whmcs.addon) && !IS_LIKE.test(link)));
        await unfold(page);
        await does(where, `whmcs-admin${where.slice(whmcs.addon.length).replace(/[^a-z0-9]+/gi, '-') || '-overview'}`);
        assert.ok(seen.size < 100, 'the pages go on for ever');
    }
    return seen.size;
}

test('every page of the addon fits at every width, and axe-core finds nothing serious', options, async () => {
    await whmcs.visit({}, async (page) => {
        const found = [];
        const pages = await crawl(page, async (where, name) => {
            for (const width of [360, 768, 1200]) {
                await page.setViewportSize({ width, height: 900 });
                await fits(page, `${where} at ${width} px`);
                if (width !== 768) await picture(page, `${name}-${width}`);
            }
            for (const it of await barriers(page)) found.push(`${where}: ${it}`);
        });
        assert.ok(pages >= 8, `only ${pages} pages were found`);
        assert.deepEqual(found, []);
    });
});

test('everything that can be pressed is reached by Tab, and the focus is seen', options, async () => {
    await whmcs.visit({}, async (page) => {
        for (const more of ['&page=netflow', '&page=netflow&add=1', '&page=accounts&service=41', '&page=pairing']) {
            await go(page, at(more));
            await unfold(page);
            for (let presses = 0; ; presses++) {
                await page.keyboard.press('Tab');
                const now = await page.evaluate(() => {
                    const it = document.activeElement;
                    if (!it || it === document.body || it.dataset.reached) return null;
                    it.dataset.reached = 'yes';
                    const { outlineStyle, boxShadow } = getComputedStyle(it);
                    return { html: it.outerHTML.slice(0, 120), ringed: outlineStyle !== 'none' || boxShadow !== 'none' };
                });
                if (!now) break;
                assert.ok(now.ringed, `nobody sees that this has the focus: ${now.html}`);
                assert.ok(presses < 200, 'Tab does not come round');
            }
            const pressable = 'a[href], button, summary, input:not([type=hidden]), select, textarea';
            const missed = await page.locator(pressable).evaluateAll((all) =>
                all.filter((it) => it.checkVisibility() && !it.dataset.reached).map((it) => it.outerHTML.slice(0, 120)));
            assert.deepEqual(missed, [], more);
        }
    });
});

test('a role that may only look sees every page, finds no button, and its forms are refused', options, async () => {
    const roles = (names) => whmcs.order('store', {
        table: 'tbladdonmodules', where: { module: 'turnpike', setting: 'edit_roles' }, values: { value: names },
    });
    await whmcs.visit({}, async (page, context) => {
        await go(page, at('&page=accounts&service=42'));
        const form = await page.locator('form', { hasText: 'Block the account' }).evaluate((it) =>
            Object.fromEntries(new FormData(it)));
        await roles('Sales Operator');
        try {
            for (const more of ['', '&page=routers', '&page=accounts&service=42', '&page=netflow&service=41', '&page=netflow&add=1']) {
                await go(page, at(more));
                await page.getByText('You may look at these pages and change nothing.').waitFor();
                assert.equal(await page.locator('form[method=post] button:enabled').count(), 0, more);
            }
            const sent = { ...form, reason: 'x' };
            const answer = await context.request.post(`${whmcs.base}${at('&page=accounts&service=42')}`, { form: sent });
            assert.match(await answer.text(), /grace&quot;|grace.{0,8} may look/);
            assert.match(String((await router(42)).disabled), /false|no/);
            await go(page, at('&page=accounts&service=42'));
            await picture(page, 'whmcs-admin-may-look-1200');
        } finally {
            await roles('');
        }
    });
});

test('without JavaScript the pages are the same: a record is added and an account blocked', options, async () => {
    await whmcs.visit({ javaScriptEnabled: false }, async (page) => {
        await go(page, at('&page=netflow&add=1'));
        await fill(page, { 'Service': '42' });
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText('The NetFlow access of service 42 is added.').waitFor();
        await go(page, at('&page=accounts&service=42'));
        await page.getByText('Block', { exact: true }).click();
        await page.getByLabel('Reason').fill('abuse');
        await page.getByRole('button', { name: 'Block the account' }).click();
        await page.getByText('Account 7-42 is blocked.').waitFor();
    });
});

test('with the service away the addon says so, offers to try again, and the pairing page is there', options, async () => {
    await whmcs.sidecar.stop();
    await whmcs.visit({}, async (page) => {
        await go(page, whmcs.addon);
        await page.getByRole('alert').getByText('Turnpike does not answer at').waitFor();
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-admin-down-1200');
        await page.getByRole('link', { name: 'Connection' }).click();
        await page.getByLabel('Pairing code').waitFor();
        await page.goBack();
        await page.getByRole('alert').waitFor();
        await whmcs.sidecar.start();
        await page.getByRole('link', { name: 'Try again' }).click();
        await page.getByRole('heading', { name: 'Overview' }).waitFor();
    });
    assert.equal(await whmcs.log(), '', 'what PHP has complained of');
});
