// The buttons, pressed by a visitor: figures change as told, nothing is done twice, and the way back is sane.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE, barriers, fits, go, open, picture } from './house.mjs';

const options = { timeout: PATIENCE * 3 };
const MB = 1024 * 1024;
/** Ada's, since her last change of package. */
const PACKET_GB = 120;
let house;
before(async () => (house = await open()), options);
after(() => house?.close(), options);

/** What the start page says of a customer. */
async function card(page, name) {
    const text = await page.getByLabel(name).innerText();
    const [, carried] = /Carried\s+([\d ,.’'\u00a0\u202f]+)bytes/.exec(text);
    const [, booked] = /Booked\s+([\d ,.’'\u00a0\u202f]+)bytes/.exec(text);
    const bytes = (figure) => Number(figure.replace(/\D/g, ''));
    const balance = /Balance\s+(-?[\d.]+) GB/.exec(text);
    return { text, carried: bytes(carried), booked: bytes(booked), balance: balance ? Number(balance[1]) : null };
}

/** Presses a button of a card on the start page, and waits until what came of it is told. */
async function press(page, where, name) {
    const done = await page.locator('.done li').count();
    await page.getByLabel(where).getByRole('button', { name, exact: true }).click();
    await page.waitForFunction((done) => document.querySelectorAll('.done li').length === done + 1, done);
    return page.locator('.note').innerText();
}

const near = (one, two) => assert.ok(Math.abs(one - two) < 0.015, `${one} is not about ${two}`);

test('carried traffic is counted and booked to the byte, and collecting it takes nothing twice', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/');
        const was = await card(page, 'Ada Byron');
        assert.match(await press(page, 'Ada Byron', 'Carry 500 MB'), /Ada carries 500 MB in a quarter of an hour/);
        const is = await card(page, 'Ada Byron');
        assert.equal(is.carried - was.carried, 500 * MB);
        assert.equal(is.booked, is.carried);
        near(is.balance, was.balance - 500 / 1024);
        assert.match(await press(page, 'Router', 'Collect now'), /2 accounts read and booked/);
        assert.deepEqual(await card(page, 'Ada Byron'), is);
        await page.reload();
        assert.deepEqual(await card(page, 'Ada Byron'), is, 'loading the page again pressed a button');
    });
});

test('a button on the client’s page leads back to it, and the figures and the chart have moved', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/client/42/statistics');
        const today = async () => {
            const tips = await page.locator('.chart').first().locator('g > title').allTextContents();
            return tips.at(-1);
        };
        const before = await today();
        await page.getByRole('button', { name: 'Carry 2 GB' }).click();
        await page.getByRole('status').getByText('Charles carries 2 GB').waitFor();
        assert.equal(new URL(page.url()).pathname, '/client/42/statistics');
        assert.notEqual(await today(), before);
    });
});

test('a renewal adds one packet, also when its button is clicked twice', options, async () => {
    await house.visit({}, async (page, context) => {
        await go(page, '/');
        const was = await card(page, 'Ada Byron');
        await page.getByLabel('Ada Byron').getByRole('button', { name: 'Renew' }).dblclick();
        await page.getByText('WHMCS renews Ada').first().waitFor();
        await go(page, '/');
        near((await card(page, 'Ada Byron')).balance, was.balance + PACKET_GB);
        // The same form, really sent three times at once.
        const form = await page.getByLabel('Ada Byron').locator('form', { hasText: 'Renew' }).evaluate((it) =>
            Object.fromEntries(new FormData(it)),
        );
        const sent = [1, 2, 3].map(() => context.request.post(`${house.base}/play`, { form, timeout: PATIENCE }));
        for (const answer of await Promise.all(sent)) assert.equal(answer.status(), 200);
        const renewals = await page.locator('.done li', { hasText: 'renews Ada' }).count();
        await go(page, '/');
        near((await card(page, 'Ada Byron')).balance, was.balance + 2 * PACKET_GB);
        assert.equal(await page.locator('.done li', { hasText: 'renews Ada' }).count(), renewals + 1);
    });
});

test('suspended, the customer’s page says so; the browser’s way back is sane; unsuspended, all is as before', options, async () => {
    await house.visit({ width: 360 }, async (page) => {
        await go(page, '/client/41');
        await page.getByRole('button', { name: 'Suspend', exact: true }).click();
        await page.getByRole('heading', { name: 'This service is not active' }).waitFor();
        assert.equal(await page.getByText('Password').count(), 0, 'a suspended customer sees the password');
        await fits(page, 'the suspended page');
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'ada-suspended-360');
        await go(page, '/client/41/statistics');
        await page.getByRole('heading', { name: 'This service is not active' }).waitFor();
        await page.goBack();
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.goBack();
        await page.getByRole('heading', { level: 1 }).waitFor();
        await go(page, '/');
        const off = await card(page, 'Ada Byron');
        assert.match(off.text, /Off: /);
        assert.match(off.text, /Offline/);
        assert.match(await press(page, 'Ada Byron', 'Carry 500 MB'), /cannot dial in, the router refuses/);
        assert.equal((await card(page, 'Ada Byron')).carried, off.carried);
        assert.match(await press(page, 'Ada Byron', 'Unsuspend'), /The account is enabled/);
        assert.match((await card(page, 'Ada Byron')).text, /Enabled/);
    });
});

test('the same button pressed again on a page that the browser kept does nothing, and shows what is', options, async () => {
    await house.visit({}, async (page, context) => {
        await go(page, '/client/42');
        const button = page.getByRole('button', { name: 'Suspend', exact: true });
        const form = await button.evaluate((it) => Object.fromEntries(new FormData(it.form)));
        await button.click();
        await page.getByRole('heading', { name: 'This service is not active' }).waitFor();
        await page.goBack();
        await page.getByRole('button', { name: /^(Suspend|Unsuspend)$/ }).waitFor();
        assert.equal(await page.locator('h1').count(), 1);
        await go(page, '/');
        assert.match(await press(page, 'Charles Babbage', 'Unsuspend'), /The account is enabled/);
        const done = await page.locator('.done li').count();
        const again = await context.request.post(`${house.base}/play`, { form, timeout: PATIENCE });
        assert.equal(again.status(), 200);
        assert.match(await again.text(), /Service information/);
        await go(page, '/');
        assert.match((await card(page, 'Charles Babbage')).text, /Enabled/);
        assert.equal(await page.locator('.done li').count(), done);
    });
});

test('while the router is away the pages say so, and when it is back all is booked and made', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/');
        await press(page, 'Charles Babbage', 'Carry 500 MB');
        const was = await card(page, 'Charles Babbage');
        assert.match(await press(page, 'Router', 'Router away'), /does not answer any more/);
        await page.getByLabel('Router').getByText('Does not answer').waitFor();
        assert.match(await press(page, 'Charles Babbage', 'Carry 500 MB'), /The router does not answer: it counts on/);
        assert.match(await press(page, 'Ada Byron', 'Suspend'), /off; the router is told when it answers/);
        const away = await card(page, 'Charles Babbage');
        assert.equal(away.carried - was.carried, 500 * MB);
        assert.equal(away.booked, was.booked);
        assert.match(away.text, /The rest is read when the router answers/);
        assert.match((await card(page, 'Ada Byron')).text, /Waiting for the router\s+\d change/);
        await fits(page, 'the start page without a router');
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'start-router-away-1200');
        await page.setViewportSize({ width: 360, height: 900 });
        await picture(page, 'start-router-away-360');
        await go(page, '/client/42');
        await page.getByText('the server does not answer right now').waitFor();
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'charles-router-away-360');
        await go(page, '/');
        assert.match(await press(page, 'Router', 'Router back'), /what it counted is booked, what waited for it is made/);
        const back = await card(page, 'Charles Babbage');
        assert.equal(back.booked, back.carried);
        const ada = await card(page, 'Ada Byron');
        assert.doesNotMatch(ada.text, /Waiting for the router/);
        assert.match(ada.text, /Off: /);
        await press(page, 'Ada Byron', 'Unsuspend');
    });
});

test('used up, the account is blocked with a mail and a word on the page; a renewal frees it at once', options, async () => {
    await house.visit({ width: 360 }, async (page, context) => {
        await go(page, '/');
        // Many presses of one button: sent as a page drawn anew would send them.
        const button = page.getByLabel('Ada Byron').locator('form', { hasText: 'Carry 2 GB' });
        const form = await button.evaluate((it) => Object.fromEntries(new FormData(it)));
        let presses = 0;
        while (!/Off: /.test((await card(page, 'Ada Byron')).text)) {
            const left = (await card(page, 'Ada Byron')).balance;
            for (let done = 0; done < Math.max(1, left / 2); done += 1) {
                form.once = `press ${(presses += 1)}`;
                const answer = await context.request.post(`${house.base}/play`, { form, timeout: PATIENCE });
                assert.equal(answer.status(), 200);
            }
            assert.ok(presses < 300, 'the balance is never used up');
            await go(page, '/');
        }
        await page.getByText(/It is used up: blocked, and the session ended/).first().waitFor();
        await go(page, '/client/41');
        await page.getByRole('alert').getByText('Your traffic is used up.').waitFor();
        await fits(page, 'the page of one who is blocked');
        assert.deepEqual(await barriers(page), []);
        await picture(page, 'ada-used-up-360');
        await page.getByRole('link', { name: 'Mails' }).click();
        assert.equal(await page.locator('.inbox li').count(), 4, 'one letter below the threshold and one at the end');
        await go(page, '/');
        assert.match(await press(page, 'Ada Byron', 'Renew'), /Free at once/);
        assert.match((await card(page, 'Ada Byron')).text, /Enabled/);
        await picture(page, 'start-played-360');
    });
});

test('without JavaScript the buttons work the same', options, async () => {
    await house.visit({ javaScriptEnabled: false }, async (page) => {
        await go(page, '/client/42');
        await page.getByRole('button', { name: 'Carry 500 MB' }).click();
        await page.getByText('Charles carries 500 MB').waitFor();
        assert.equal(new URL(page.url()).pathname, '/client/42');
    });
});
