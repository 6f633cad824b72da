// The customer's page: secrets, copying, the keyboard, the charts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE, go, open } from './house.mjs';

const options = { timeout: PATIENCE * 3 };
let house;
before(async () => (house = await open()), options);
after(() => house?.close(), options);

const SECRETS = [['L2TP IPsec key', /^correct-horse-battery$/], ['Password', /^\S{8,}$/]];

function row(page, name) {
    return page.locator('.facts > div', { has: page.locator('dt', { hasText: name }) });
}

test('password and key are masked until they are revealed, and can be hidden again', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/client/41');
        for (const [name, shape] of SECRETS) {
            const secret = row(page, name);
            const code = secret.locator('code');
            assert.equal(await code.isVisible(), false, name);
            assert.match(await secret.innerText(), /••••/, name);
            await secret.getByText('Show').click();
            await code.waitFor();
            assert.match(await code.innerText(), shape);
            assert.doesNotMatch(await secret.innerText(), /••••/, name);
            await secret.getByText('Hide').click();
            await code.waitFor({ state: 'hidden' });
        }
    });
});

test('a copy button copies the whole value, the masked ones too, and says so', options, async () => {
    await house.visit({}, async (page, context) => {
        await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: house.base });
        await go(page, '/client/41');
        for (const [name, shape] of [['VPN server', /^vpn1\.example\.net$/], ['User name', /^7-41$/], ...SECRETS]) {
            const button = row(page, name).locator('button.copy');
            await button.click();
            await button.getByText('Copied').waitFor();
            const copied = await page.evaluate(() => navigator.clipboard.readText());
            assert.match(copied, shape);
            assert.equal(copied, await row(page, name).locator('code').textContent());
        }
    });
});

test('a browser that forbids copying says so, and one that cannot copy shows no button', options, async () => {
    await house.visit({}, async (page) => {
        await page.addInitScript(() => {
            navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
        });
        await go(page, '/client/41');
        const button = row(page, 'User name').locator('button.copy');
        await button.click();
        await button.getByText('Not allowed').waitFor();
    });
    await house.visit({}, async (page) => {
        await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined }));
        await go(page, '/client/41');
        assert.equal(await page.locator('button.copy').count(), 4);
        assert.equal(await page.locator('button.copy:visible').count(), 0);
        await row(page, 'User name').locator('code').waitFor();
    });
});

/** What has the focus now: an element with its name and whether that is seen, a frame, one that had it before, or nothing. */
function focused(page) {
    return page.evaluate(() => {
        const it = document.activeElement;
        if (!it || it === document.body) return { nothing: true };
        // Within a frame the focus goes on, and all that is seen of it here is the frame.
        const frame = it.tagName === 'IFRAME';
        if (it.dataset.reached) return { frame, again: !frame };
        it.dataset.reached = 'yes';
        return { frame, name: it.textContent.trim(), ringed: getComputedStyle(it).outlineStyle !== 'none' };
    });
}

/**
 * Everything that Tab reaches from the top of the page, in order, until it comes round; the focus must show each time. A frame
 * is a process of its own: the focus is nowhere for a moment on its way there and back.
 */
async function tabbed(page) {
    const reached = [];
    for (let pressed = 0; pressed < 200; pressed += 1) {
        await page.keyboard.press('Tab');
        let now = await focused(page);
        for (let looks = 0; now.nothing && looks < 10; looks += 1) {
            await page.waitForTimeout(20);
            now = await focused(page);
        }
        if (now.again) return reached;
        if (now.name === undefined) continue;
        assert.ok(now.ringed, `nobody sees that ${now.name} has the focus`);
        reached.push(now.name);
    }
    assert.fail('Tab does not come round');
}

for (const where of ['/', '/client/41', '/client/41/statistics', '/admin/41', '/mails/2']) {
    test(`everything that can be pressed on ${where} is reached by Tab, and the focus is seen`, options, async () => {
        await house.visit({}, async (page) => {
            await go(page, where);
            const reached = await tabbed(page);
            assert.equal(reached[0], 'To the content');
            const missed = await page.evaluate(() =>
                [...document.querySelectorAll('a[href], button, summary, input:not([type=hidden])')]
                    .filter((it) => it.checkVisibility() && !it.dataset.reached)
                    .map((it) => it.outerHTML.slice(0, 120)),
            );
            assert.deepEqual(missed, []);
        });
    });
}

test('the keyboard alone reveals the password and copies the user name', options, async () => {
    await house.visit({}, async (page, context) => {
        await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: house.base });
        await go(page, '/client/41');
        const secret = row(page, 'Password');
        await secret.locator('summary').focus();
        await page.keyboard.press('Enter');
        await secret.locator('code').waitFor();
        await page.keyboard.press('Tab');
        await page.keyboard.press('Enter');
        await secret.getByText('Copied').waitFor();
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await secret.locator('code').innerText());
        await page.keyboard.press('Shift+Tab');
        await page.keyboard.press(' ');
        await secret.locator('code').waitFor({ state: 'hidden' });
    });
});

/** How the charts lie on the screen. */
function measured(page) {
    return page.evaluate(() =>
        [...document.querySelectorAll('.chart')].map((box) => {
            const svg = box.querySelector('svg');
            const [outer, inner] = [box.getBoundingClientRect(), svg.getBoundingClientRect()];
            const texts = [...svg.querySelectorAll('text')].map((it) => {
                const { left, right, top, bottom } = it.getBoundingClientRect();
                const size = parseFloat(getComputedStyle(it).fontSize) * it.getScreenCTM().d;
                return { text: it.textContent, size, left, right, top, bottom };
            });
            const bars = [...svg.querySelectorAll('g')].filter((it) => it.querySelector(':scope > title'));
            const named = svg.getAttribute('aria-labelledby').split(' ').map((id) => document.getElementById(id));
            return {
                room: box.clientWidth, width: inner.width,
                outside: texts.filter((it) => it.left < outer.left - 1 || it.right > outer.right + 1 ||
                    it.bottom > outer.bottom + 1).map((it) => it.text),
                small: texts.filter((it) => it.size < 9).map((it) => it.text),
                overlapping: texts.flatMap((one, at) => texts.slice(at + 1).filter((two) =>
                    one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 3 && two.top < one.bottom - 3,
                ).map((two) => `${one.text} / ${two.text}`)),
                texts: texts.length,
                tips: bars.map((it) => it.querySelector('title').textContent),
                thin: bars.filter((it) => it.querySelector('rect').getBoundingClientRect().width < 3).length,
                role: svg.getAttribute('role'), says: named.map((it) => it?.textContent.trim()),
            };
        }),
    );
}

test('charts follow their container when the window is resized, and can be read at every width', options, async () => {
    await house.visit({}, async (page) => {
        for (const id of [41, 42]) {
            await go(page, `/client/${id}/statistics`);
            const widths = [];
            for (const width of [1200, 768, 360, 1200]) {
                await page.setViewportSize({ width, height: 900 });
                await page.waitForFunction((width) => window.innerWidth === width, width);
                const charts = await measured(page);
                assert.equal(charts.length, 2);
                for (const chart of charts) {
                    assert.ok(Math.abs(chart.width - chart.room) <= 1, `${chart.width} of ${chart.room} px at ${width}`);
                    assert.ok(chart.texts > 8, 'a chart without a scale');
                    assert.deepEqual([chart.small, chart.outside, chart.overlapping], [[], [], []], `at ${width} px`);
                    assert.equal(chart.thin, 0, `bars too thin to point at, at ${width} px`);
                }
                widths.push(charts[0].width);
            }
            assert.ok(widths[0] > widths[2] * 2 && widths[0] === widths[3], widths.join(', '));
        }
    });
});

test('every bar has a tip with its figures, and the charts say in words what they show', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/client/41/statistics');
        const [days, months] = await measured(page);
        assert.equal(days.tips.length, 30);
        assert.ok(months.tips.length >= 3, months.tips.join('\n'));
        for (const tip of [...days.tips, ...months.tips]) assert.match(tip, /\d/);
        assert.ok(days.tips.filter((tip) => /\d\.\d+ GB/.test(tip)).length > 20, days.tips.join('\n'));
        assert.equal(new Set(days.tips).size, 30, 'two days with one tip');
        for (const chart of [days, months]) {
            assert.equal(chart.role, 'img');
            assert.equal(chart.says.length, 2);
            assert.ok(chart.says.every((words) => words?.length > 10), chart.says.join('\n'));
        }
    });
});
