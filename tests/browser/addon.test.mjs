// The addon's pages for staff, as the demo shows them: all that are linked, found by following the links.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE, barriers, fits, go, isAddon, open, picture, unfold } from './house.mjs';

const options = { timeout: PATIENCE * 3 };
let house;
before(async () => (house = await open()), options);
after(() => house?.close(), options);

/** Follows the links from page to page; `does` looks at each. How many there were. */
async function crawl(page, does) {
    const seen = new Set();
    const ahead = ['/staff'];
    while (ahead.length > 0) {
        const where = ahead.pop();
        if (seen.has(where)) continue;
        seen.add(where);
        await go(page, where);
        const links = await page.locator('main a[href]').evaluateAll((all) =>
            all.map((it) => new URL(it.href)).filter((it) => it.origin === location.origin).map((it) => it.pathname + it.search),
        );
        ahead.push(...links.filter(isAddon));
        await unfold(page);
        await does(where, `addon${where.replace(/^\/staff/, '').replace(/[^a-z0-9]+/gi, '-')}`);
        assert.ok(seen.size < 100, 'the pages go on for ever');
    }
    return seen.size;
}

for (const width of [360, 768, 1200]) {
    test(`no page of the addon scrolls sideways at ${width} px`, options, async () => {
        await house.visit({ width }, async (page) => {
            const pages = await crawl(page, async (where, name) => {
                await fits(page, where);
                if (width !== 768) await picture(page, `${name}-${width}`);
            });
            assert.ok(pages >= 6, `only ${pages} pages were found`);
        });
    });
}

for (const [colorScheme, width] of [['light', 1200], ['dark', 360]]) {
    test(`axe-core finds nothing serious on the addon’s pages at ${width} px, in ${colorScheme} colours`, options, async () => {
        await house.visit({ width, colorScheme }, async (page) => {
            const found = [];
            await crawl(page, async (where) => {
                for (const it of await barriers(page)) found.push(`${where}: ${it}`);
            });
            assert.deepEqual(found, []);
        });
    });
}
