// The customer's pages as WHMCS shows them: real PHP and Smarty, the real service, a simulated router. The wrapper around
// them is ours (whmcs-bridge/tests/Theme.php). The last two tests take the router and the service away.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { PATIENCE, barriers, fits, go, picture, unfold } from './house.mjs';
import { GB, PSK, openWhmcs, product, see } from './whmcs.mjs';

const options = { timeout: PATIENCE * 3 };
/** The client themes' Bootstraps, each with one of Smarty's majors: both occur in WHMCS 8 and 9. */
const THEMES = [{ 'X-Theme': 'twenty-one', 'X-Smarty': '4' }, { 'X-Theme': 'six', 'X-Smarty': '3' }];
const WIDTHS = [360, 768, 1200];

let whmcs;
before(async () => {
    whmcs = await openWhmcs();
    const gb = (amount) => Math.round(amount * GB);
    await whmcs.service(41);
    await whmcs.dial(41);
    await whmcs.carry(41, gb(0.4), gb(0.1));
    await whmcs.service(42); // never connected
    await whmcs.service(43); // used up
    await whmcs.dial(43);
    await whmcs.carry(43, gb(1), gb(0.2));
    await whmcs.service(44); // suspended by WHMCS, whose status somebody has set back by hand
    await whmcs.command('SuspendAccount', 44, { suspendreason: 'Overdue on Payment' });
    await whmcs.store('tblhosting', 44, { domainstatus: 'Active' });
    await whmcs.service(45); // blocked by staff
    await whmcs.command('Block', 45);
    await whmcs.service(46); // suspended
    await whmcs.command('SuspendAccount', 46, { suspendreason: 'Overdue on Payment' });
    await whmcs.service(47, { make: false }); // Active in WHMCS, and never made
    await whmcs.store('tblhosting', 47, { domainstatus: 'Active' });
    await whmcs.service(48, { product: 3 }); // unmetered, PPtP only, no manual
    for (const id of [51, 52, 53]) await whmcs.service(id); // for customers who press buttons
    await whmcs.store('tblhosting', 60, { userid: 7, packageid: 9, domainstatus: 'Active', domain: 'vps2.example.net' });
    await netflow(41);
    await netflow(60);
    await whmcs.order('hook', { point: 'AfterCronJob' });
}, options);
after(() => whmcs?.close(), options);

/** Access to NetFlow Analyzer for a service, as staff enter it. */
async function netflow(id) {
    await whmcs.visit({}, async (page) => {
        await go(page, `${whmcs.addon}&page=netflow&add=1`);
        await page.getByLabel('Enabled').check();
        await page.getByLabel('Service', { exact: true }).fill(String(id));
        await page.getByLabel('NetFlow URL').fill('https://netflow.example.net/');
        await page.getByLabel('Username').fill('ada');
        await page.getByLabel('Password').fill('flow-pass');
        await page.getByRole('button', { name: 'Save' }).click();
        await page.getByText(`The NetFlow access of service ${id} is added.`).waitFor();
    });
}

const box = (page) => page.locator('.turnpike');
const row = (page, name) => page.locator('.turnpike dt', { hasText: name }).locator('+ dd');
const router = async (id) => (await whmcs.router.rows('/ppp/secret', `7-${id}`))[0];
const online = async (id) => (await whmcs.router.rows('/ppp/active', `7-${id}`)).length;

/** Every kind of page, and what it must say. */
const STATES = {
    'online': [41, '', [/Online\s+as of \d{4}-\d\d-\d\d \d\d:\d\d/, /PPtP, L2TP/, /10 Mbit\/s download \/ unlimited upload/,
        /10\.8\.0\.\d+/, /198\.51\.100\.7/, /\d\d:\d\d:\d\d/, /0\.5 GB/, /50 % of a packet of 1 GB/, /1 GB on 2036-12-01/,
        /Network usage/]],
    'offline': [42, '', [/Offline\s+as of/, /100 % of a packet/]],
    'used-up': [43, '', [/blocked because the traffic balance is used up/, /comes back with the renewal on 2036-12-01/, /-0\.2 GB/]],
    'overdue': [44, '', [/blocked because of a payment that is due/, /as soon as the payment has arrived/, /Open invoices/]],
    'blocked': [45, '', [/blocked by our staff/, /Contact support/]],
    'inactive': [46, '', [/This page is not available/, /not active/]],
    'missing': [47, '', [/This page is not available/, /was not found/]],
    'unmetered': [48, '', [/Unmetered/, /50 Mbit\/s download \/ 50 Mbit\/s upload/]],
    'other-module': [60, '', [/Network usage/, /ada/]],
    'statistics': [41, '&customAction=statistics', [/Traffic per day/, /Traffic per month/, /Download as CSV/]],
    'no-reading': [42, '&customAction=statistics', [/There is no reading yet\. Figures appear after the first collection\./]],
    'polish': [41, '&language=polish', [/Informacje o usłudze/, /Pozostały transfer/, /50 % pakietu 1 GB/]],
    'polish-statistics': [41, '&customAction=statistics&language=polish', [/Transfer dzienny/, /Pobieranie 0\.40 GB/]],
};

for (const headers of THEMES) {
    const theme = headers['X-Theme'];
    const isNew = theme === 'twenty-one';
    test(`every state's page says what it must, at every width, in ${theme}; axe-core finds nothing serious`, options, async () => {
        await whmcs.visit({ extraHTTPHeaders: headers }, async (page, context) => {
            for (const [name, [id, more, says]] of Object.entries(STATES)) {
                await see(page, id, more);
                const text = await page.getByRole('main').innerText();
                for (const it of says) assert.match(text, it, name);
                for (const width of WIDTHS) {
                    await page.setViewportSize({ width, height: 900 });
                    await fits(page, `${name} in ${theme} at ${width} px`);
                    // Of each theme the widths that the other has not: enough to look at.
                    if (isNew === (width !== 768)) await picture(page, `whmcs-${theme}-${name}-${width}`);
                }
                await unfold(page);
                await page.setViewportSize({ width: isNew ? 360 : 1200, height: 900 });
                await fits(page, `${name} in ${theme}, all unfolded`);
                assert.deepEqual(await barriers(page), [], `${name} in ${theme}`);
                if (name === 'online') await picture(page, `whmcs-${theme}-unfolded`);
                await context.clearCookies();
            }
        });
    });
}

test('what is switched off or empty is not there', options, async () => {
    await whmcs.visit({}, async (page) => {
        await see(page, 41);
        const manual = page.getByRole('link', { name: 'User manual' });
        assert.equal(await manual.getAttribute('href'), 'https://example.net/manual');
        assert.match(await manual.getAttribute('rel'), /noopener/);
        await see(page, 48);
        const text = await box(page).innerText();
        for (const gone of [/User manual/, /L2TP/, /PSK/, /packet/, /next billing cycle/, /Network usage/]) {
            assert.doesNotMatch(text, gone);
        }
        assert.match(text, /VPN protocols\s+PPtP/);
    });
});

test('key and password are masked, revealed by mouse and by keyboard, and hidden again', options, async () => {
    const password = await whmcs.password(41);
    for (const headers of THEMES) {
        await whmcs.visit({ extraHTTPHeaders: headers }, async (page) => {
            await see(page, 41);
            for (const [name, value] of [['L2TP IPSec PSK key', PSK], ['Password', password]]) {
                const secret = row(page, name).first();
                const field = secret.locator('input:not([type=hidden])');
                const toggle = secret.locator('summary');
                assert.equal(await field.isVisible(), false, name);
                assert.match(await secret.innerText(), /•••/);
                await toggle.click();
                await field.waitFor();
                assert.equal(await field.inputValue(), value);
                assert.doesNotMatch(await secret.innerText(), /•••/);
                await toggle.focus();
                await page.keyboard.press('Enter');
                await field.waitFor({ state: 'hidden' });
                await page.keyboard.press('Space');
                await field.waitFor();
            }
        });
    }
});

test('who hears the page is told what each button reveals, and whether it is revealed', options, async () => {
    await whmcs.visit({}, async (page, context) => {
        await see(page, 41);
        const cdp = await context.newCDPSession(page);
        const heard = async () => {
            const { nodes } = await cdp.send('Accessibility.getFullAXTree');
            const toggles = nodes.filter((it) => !it.ignored && it.role?.value === 'DisclosureTriangle');
            const words = (it) => it.name.value.replace(/\s+/g, ' ').trim();
            return toggles.map((it) => [words(it), it.properties.find(({ name }) => name === 'expanded').value.value]);
        };
        const before = await heard();
        const at = before.findIndex(([name]) => name === 'Show Password');
        assert.deepEqual(before[at], ['Show Password', false], JSON.stringify(before));
        await row(page, 'Password').first().locator('summary').click();
        assert.deepEqual((await heard())[at], ['Hide Password', true]);
        const names = before.map(([name]) => name);
        assert.ok(names.includes('Show L2TP IPSec PSK key'), names.join());
        for (const name of await page.locator('.copy-to-clipboard').evaluateAll((all) => all.map((it) => it.ariaLabel))) {
            assert.match(name, /^Copy: \S/);
        }
    });
});

for (const headers of THEMES) {
    const theme = headers['X-Theme'];
    test(`a copy button copies the whole value, of what is masked too, and says so, in ${theme}`, options, async () => {
        const password = await whmcs.password(41);
        await whmcs.visit({ extraHTTPHeaders: headers }, async (page, context) => {
            await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: whmcs.base });
            await see(page, 41);
            const values = [['VPN server address', 'vpn1.example.net'], ['L2TP IPSec PSK key', PSK], ['Username', '7-41'],
                ['Password', password]];
            for (const isOpen of [false, true]) {
                if (isOpen) await unfold(page);
                for (const [name, value] of values) {
                    const button = row(page, name).first().getByRole('button', { name: /^Copy/ });
                    await page.evaluate(() => navigator.clipboard.writeText('nothing'));
                    await button.focus();
                    await page.keyboard.press('Enter');
                    await page.waitForFunction((it) => it.ariaDescribedByElements?.[0]?.innerText === 'Copied!',
                        await button.elementHandle());
                    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), value, `${name}, ${isOpen}`);
                }
            }
        });
    });
}

test('the sidebar has both pages and marks the one that is shown', options, async () => {
    await whmcs.visit({}, async (page) => {
        await see(page, 41);
        const current = page.locator('.card-sidebar .active');
        assert.equal(await current.innerText(), 'Information');
        await page.locator('.card-sidebar').getByRole('link', { name: 'Traffic statistics' }).click();
        await page.getByRole('heading', { name: 'Traffic per day' }).waitFor();
        assert.equal(await current.innerText(), 'Traffic statistics');
        assert.equal(await page.locator('.turnpike-tabs [aria-current=page]').innerText(), 'Traffic statistics');
        await page.goBack();
        await page.getByRole('heading', { name: 'Service information' }).waitFor();
        await page.locator('.turnpike-tabs').getByRole('link', { name: 'Traffic statistics' }).click();
        await page.getByRole('heading', { name: 'Traffic per day' }).waitFor();
        for (const id of [46, 60]) {
            await see(page, id);
            assert.equal(await page.locator('.card-sidebar').count(), 0, `service ${id} has no pages to choose from`);
        }
    });
});

test('the charts follow the window, the figures stand behind them, and the file has them in bytes', options, async () => {
    for (const headers of THEMES) {
        await whmcs.visit({ extraHTTPHeaders: headers, acceptDownloads: true }, async (page) => {
            await see(page, 41, '&customAction=statistics');
            const widths = [];
            for (const width of [1200, 768, 360, 1200]) {
                await page.setViewportSize({ width, height: 900 });
                await page.waitForFunction((width) => window.innerWidth === width, width);
                const charts = await page.locator('.turnpike-figure').evaluateAll((all) => all.map((it) => {
                    const svg = it.querySelector('svg').getBoundingClientRect();
                    return { room: it.clientWidth, width: svg.width, scrolls: it.scrollWidth > it.clientWidth };
                }));
                assert.equal(charts.length, 2);
                for (const it of charts) {
                    assert.ok(Math.abs(it.room - it.width) <= 1 && !it.scrolls, `${JSON.stringify(it)} at ${width} px`);
                }
                widths.push(charts[0].width);
            }
            assert.ok(widths[0] > widths[2] * 2 && widths[0] === widths[3], widths.join());
            const summary = page.locator('.turnpike-figure svg desc').first();
            assert.match(await summary.textContent(), /^Total: download 0\.40 GB, upload 0\.10 GB\./);
            await page.getByText('Figures').first().click();
            const cells = await page.getByRole('row').nth(1).getByRole('cell').allInnerTexts();
            assert.match(cells[0], /^\d{4}-\d\d-\d\d$/);
            assert.deepEqual(cells.slice(1), ['0.4 GB', '0.1 GB', '0.5 GB']);
            const [file] = await Promise.all([
                page.waitForEvent('download'), page.getByRole('link', { name: 'Download as CSV' }).first().click(),
            ]);
            assert.equal(file.suggestedFilename(), 'traffic-41-days.csv');
            const [head, line, end] = (await readFile(await file.path(), 'utf8')).split('\r\n');
            assert.deepEqual([head, end], ['date,download_bytes,upload_bytes', '']);
            assert.equal(line, `${cells[0]},${Math.round(0.4 * GB)},${Math.round(0.1 * GB)}`);
        });
    }
});

test('a session is ended by its customer, and pressing twice ends it once', options, async () => {
    await whmcs.visit({}, async (page) => {
        await whmcs.dial(51);
        await see(page, 51);
        await page.getByText('Disconnect my session').click();
        await page.getByRole('button', { name: 'Disconnect now' }).click();
        await page.getByRole('status').getByText('The connection was ended.').waitFor();
        assert.equal(await online(51), 0);
        assert.match(await row(page, 'Connection status').innerText(), /Offline/);
        // Loaded again, the form is sent again: the device that has come back meanwhile stays.
        await whmcs.dial(51);
        await page.reload();
        await page.getByText('This was done already').waitFor();
        assert.equal(await online(51), 1);
    });
});

test('a new password is made once, however it is asked for: double click, the way back, loading again', options, async () => {
    for (const [id, javaScriptEnabled] of [[52, true], [53, false]]) {
        await whmcs.visit({ javaScriptEnabled }, async (page) => {
            const old = await whmcs.password(id);
            await see(page, id);
            await page.getByText('New random password').click();
            await page.getByRole('button', { name: 'Make a new password' }).dblclick();
            await page.getByRole('status').waitFor();
            const made = await whmcs.password(id);
            assert.notEqual(made, old);
            assert.equal((await router(id)).password, made);
            assert.equal(await page.locator('#turnpikePassword').inputValue(), made);
            await page.reload();
            await page.getByText('This was done already').waitFor();
            await page.goBack();
            await page.getByText('New random password').waitFor();
            const again = page.getByRole('button', { name: 'Make a new password' });
            if (!(await again.isVisible())) await page.getByText('New random password').click();
            assert.equal((await router(id)).password, made, 'nothing of that made another');
            await see(page, id);
            await page.getByText('New random password').click();
            await again.click();
            await page.getByText('The VPN has a new password.').waitFor();
            const second = await whmcs.password(id);
            assert.notEqual(second, made, 'a page anew is a form anew');
            assert.equal((await router(id)).password, second);
        });
    }
});

test('a form that is not ours, or not on the list, does nothing', options, async () => {
    await whmcs.visit({}, async (page, context) => {
        await see(page, 51);
        const old = await whmcs.password(51);
        const form = await page.locator('form', { hasText: 'Make a new password' }).evaluate((it) =>
            Object.fromEntries(new FormData(it)));
        const changes = [{ token: 'forged' }, { turnpike_once: '0'.repeat(32) }, { turnpike_action: 'TerminateAccount' }];
        for (const change of changes) {
            // Each wrong one uses the key up or not; the page gives the next.
            await see(page, 51);
            const key = await page.locator('[name=turnpike_once]').first().inputValue();
            const sent = { ...form, turnpike_once: key, turnpike_action: 'new_password', ...change };
            const answer = await context.request.post(`${whmcs.base}${product(51)}`, { form: sent });
            assert.match(await answer.text(), /had expired and nothing was changed/);
        }
        await see(page, 51, `&turnpike_action=new_password&turnpike_once=${form.turnpike_once}&token=${form.token}`);
        assert.equal(await whmcs.password(51), old);
        assert.equal((await router(51)).password, old);
    });
});

/** Everything that Tab reaches, in order; the focus must show each time. */
async function tabbed(page) {
    const reached = [];
    for (;;) {
        await page.keyboard.press('Tab');
        const now = await page.evaluate(() => {
            const it = document.activeElement;
            if (!it || it === document.body || it.dataset.reached) return null;
            it.dataset.reached = 'yes';
            const { outlineStyle, boxShadow } = getComputedStyle(it);
            return { html: it.outerHTML.slice(0, 120), ringed: outlineStyle !== 'none' || boxShadow !== 'none' };
        });
        if (!now) return reached;
        assert.ok(now.ringed, `nobody sees that this has the focus: ${now.html}`);
        reached.push(now.html);
        assert.ok(reached.length < 200, 'Tab does not come round');
    }
}

for (const headers of THEMES) {
    test(`everything that can be pressed is reached by Tab, and the focus is seen, in ${headers['X-Theme']}`, options, async () => {
        await whmcs.visit({ extraHTTPHeaders: headers }, async (page) => {
            for (const more of ['', '&customAction=statistics']) {
                await see(page, 41, more);
                await unfold(page);
                assert.ok((await tabbed(page)).length > 8);
                const missed = await page.locator('.turnpike :is(a[href], button, summary, input)').evaluateAll((all) =>
                    all.filter((it) => it.checkVisibility() && !it.dataset.reached).map((it) => it.outerHTML.slice(0, 120)));
                assert.deepEqual(missed, []);
            }
        });
    });
}

test('without JavaScript everything is there but the copying, and no button that would do nothing', options, async () => {
    await whmcs.visit({ javaScriptEnabled: false, width: 360 }, async (page) => {
        await see(page, 41);
        for (const seen of ['PPtP, L2TP', 'Online', '0.5 GB']) await box(page).getByText(seen).first().waitFor();
        assert.equal(await page.locator('.copy-to-clipboard:visible').count(), 0);
        const secret = row(page, 'Password').first();
        await secret.locator('summary').click();
        await secret.locator('input:visible').waitFor();
        await picture(page, 'whmcs-twenty-one-no-script-360');
        await see(page, 41, '&customAction=statistics');
        assert.equal(await page.locator('svg[role=img]:visible').count(), 2);
        await page.getByText('Figures').first().click();
        await page.getByRole('cell', { name: '0.5 GB' }).first().waitFor();
    });
});

test('with the router away the page comes all the same, and unknown is not offline', options, async () => {
    await whmcs.router.do('stop');
    await whmcs.visit({}, async (page) => {
        await see(page, 41);
        const text = await box(page).innerText();
        assert.match(text, /Unknown\s+last known \d{4}-\d\d-\d\d/);
        assert.doesNotMatch(text, /Offline|Online|not available/);
        assert.match(text, /0\.5 GB/);
        assert.equal(await page.locator('#turnpikeUsername').inputValue(), '7-41');
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-twenty-one-unknown-1200');
        await see(page, 41, '&customAction=statistics');
        assert.equal(await page.locator('svg[role=img]:visible').count(), 2);
        // What cannot be done now is said in words for customers.
        await see(page, 41);
        await page.getByText('Disconnect my session').click();
        await page.getByRole('button', { name: 'Disconnect now' }).click();
        const said = page.locator('.turnpike .alert');
        await said.getByText('cannot be reached right now; nothing was changed').waitFor();
        assert.doesNotMatch(await said.innerText(), /core-1|127\.0\.0\.1/);
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'whmcs-twenty-one-not-done-1200');
    });
});

test('with the service away the page shows what WHMCS knows and says so', options, async () => {
    await whmcs.sidecar.stop();
    for (const headers of THEMES) {
        await whmcs.visit({ extraHTTPHeaders: headers, width: 360 }, async (page) => {
            await see(page, 41);
            const text = await box(page).innerText();
            assert.match(text, /Live status and statistics are not available at the moment/);
            assert.match(text, /Reference: whmcs-[0-9a-f]{8}/);
            assert.match(text, /Unknown/);
            assert.doesNotMatch(text, /Offline|Online/);
            assert.match(text, /0\.5 GB\s+last known/);
            assert.equal(await page.locator('#turnpikeUsername').inputValue(), '7-41');
            assert.equal(await page.locator('#turnpikePassword').inputValue(), await whmcs.password(41));
            assert.equal(await page.locator('.turnpike form').count(), 0, 'what could not be done is not offered');
            await fits(page, 'without the service');
            assert.deepEqual(await barriers(page), []);
            await picture(page, `whmcs-${headers['X-Theme']}-unavailable-360`);
        });
    }
    assert.equal(await whmcs.log(), '', 'what PHP has complained of');
});
