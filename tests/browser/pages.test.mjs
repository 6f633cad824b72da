// What every page is held to, before anybody has pressed a button.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PAGES, PATIENCE, barriers, fits, go, isAddon, open, picture, unfold } from './house.mjs';

const options = { timeout: PATIENCE * 3 };
let house;
before(async () => (house = await open()), options);
after(() => house?.close(), options);

test('every link leads to a page with a heading, and all pages are reached from the start', options, async () => {
    await house.visit({}, async (page) => {
        const seen = new Set();
        const ahead = ['/'];
        while (ahead.length > 0) {
            const where = ahead.pop();
            if (seen.has(where)) continue;
            seen.add(where);
            await go(page, where);
            assert.equal(await page.locator('h1').count(), 1, where);
            assert.notEqual((await page.locator('h1').innerText()).trim(), '', where);
            assert.notEqual(await page.title(), '', where);
            for (const link of await page.locator('a[href]').all()) {
                const href = await link.getAttribute('href');
                if (href.startsWith('/') && !isAddon(href)) {
                    ahead.push(href);
                } else if (!href.startsWith('#') && !isAddon(href)) {
                    assert.match(await link.getAttribute('rel'), /noopener/, `${where}: ${href}`);
                }
            }
        }
        assert.deepEqual([...seen].sort(), Object.keys(PAGES).sort());
    });
});

test('the links of the start page are clicked through, and the way back is there', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/');
        const nav = page.getByRole('navigation', { name: 'Demo' });
        for (const [name, where] of [
            ['Ada’s page', '/client/41'], ['Charles’s page', '/client/42'], ['Mails', '/mails'], ['For staff', '/admin/41'],
            ['The story', '/story'], ['Overview', '/'],
        ]) {
            await nav.getByRole('link', { name }).click();
            await page.waitForURL((url) => url.pathname === where);
            assert.equal(await nav.locator('[aria-current=page]').innerText(), name);
        }
        await page.getByLabel('Ada Byron').getByRole('link', { name: 'Statistics' }).click();
        await page.waitForURL('**/client/41/statistics');
        await page.goBack();
        await page.getByRole('heading', { name: 'Two months have passed' }).waitFor();
    });
});

for (const width of [360, 768, 1200]) {
    test(`no page scrolls sideways at ${width} px, and nothing of it is cut`, options, async () => {
        await house.visit({ width }, async (page) => {
            for (const [where, name] of Object.entries(PAGES)) {
                await go(page, where);
                await fits(page, where);
                if (width !== 768) await picture(page, `${name}-${width}`);
                await unfold(page);
                await fits(page, `${where} with all unfolded`);
                const cut = await page.evaluate(() =>
                    [...document.querySelectorAll('main *')]
                        .filter((it) => getComputedStyle(it).overflowX !== 'visible' && !it.matches('.away'))
                        .filter((it) => it.clientWidth > 0 && it.scrollWidth > it.clientWidth + 1)
                        .map((it) => it.outerHTML.slice(0, 120)),
                );
                assert.deepEqual(cut, [], `${where} is cut`);
            }
        });
    });
}

for (const [colorScheme, width] of [['light', 1200], ['dark', 360]]) {
    test(`axe-core finds nothing serious at ${width} px, in ${colorScheme} colours`, options, async () => {
        await house.visit({ width, colorScheme }, async (page) => {
            for (const where of Object.keys(PAGES)) {
                await go(page, where);
                await unfold(page);
                assert.deepEqual(await barriers(page), [], where);
                if (colorScheme === 'dark') await picture(page, `${PAGES[where]}-dark-${width}`);
            }
        });
    });
}

test('axe-core finds nothing serious in the mails themselves', options, async () => {
    await house.visit({}, async (page, context) => {
        for (const number of [1, 2]) {
            // In its frame no script runs, axe-core's neither: looked at on a page of its own.
            const html = await (await context.request.get(`${house.base}/mails/${number}/html`)).text();
            await page.setContent(html);
            assert.deepEqual(await barriers(page), [], `mail ${number}`);
        }
    });
});

test('a page that is not there says so and leads back', options, async () => {
    const missed = /status of 404/;
    await house.visit({ width: 360 }, async (page) => {
        for (const where of ['/client/99', '/client/99/statistics', '/client/none', '/admin/99', '/mails/99', '/nowhere']) {
            const answer = await page.goto(where);
            assert.equal(answer.status(), 404, where);
            assert.match(await page.locator('main').innerText(), /That did not work\s+There is no such page\./);
            await fits(page, where);
            assert.deepEqual(await barriers(page), [], where);
        }
        await picture(page, 'not-there-360');
        await page.getByRole('link', { name: 'To the overview' }).click();
        await page.getByRole('heading', { name: 'Two months have passed' }).waitFor();
    }, missed);
});

test('a mail’s HTML stands in a sandboxed frame that may load nothing', options, async () => {
    await house.visit({}, async (page) => {
        for (const [number, words] of [[1, /running low|less than/i], [2, /Your VPN is paused/]]) {
            const framed = page.waitForResponse(`**/mails/${number}/html`);
            await go(page, `/mails/${number}`);
            const policy = (await framed).headers()['content-security-policy'];
            assert.match(policy, /default-src 'none'/);
            assert.match(policy, /sandbox(;|$)/);
            assert.equal(await page.locator('iframe').getAttribute('sandbox'), '');
            const body = page.frameLocator('iframe').locator('body');
            assert.match(await body.innerText(), words);
            const loads = 'script, link[href], iframe, object, embed, form, [src], [background], [style*="url("]';
            assert.equal(await body.locator(loads).count(), 0, 'the mail refers to what would be loaded');
            await page.getByText('The source').click();
            assert.match(await page.locator('pre.raw').innerText(), /^Content-Type: multipart\/alternative/m);
        }
    });
});

test('without JavaScript everything essential is there', options, async () => {
    await house.visit({ javaScriptEnabled: false, width: 360 }, async (page) => {
        await go(page, '/client/41');
        const main = page.getByRole('main');
        for (const seen of ['vpn1.example.net', 'L2TP', '7-41', 'Online', '50 Mbit/s download, 10 Mbit/s upload']) {
            await main.getByText(seen).first().waitFor();
        }
        assert.match(await main.innerText(), /[\d.]+ GB\s+left/);
        assert.equal(await page.locator('button.copy:visible').count(), 0, 'a copy button that cannot copy');
        const key = page.locator('.secret', { hasText: 'key' });
        assert.equal(await key.locator('code').isVisible(), false);
        await key.getByText('Show').click();
        await key.getByText('correct-horse-battery').waitFor();
        await go(page, '/client/41/statistics');
        assert.equal(await page.locator('svg[role=img]:visible').count(), 2);
        await page.getByText('The figures').click();
        await page.getByRole('rowheader', { name: '2026-10', exact: true }).waitFor();
        for (const where of ['/', '/mails', '/mails/2', '/admin/41', '/story']) {
            await go(page, where);
            assert.ok((await main.innerText()).length > 100, where);
        }
    });
});
