// The pages about plans, worked with as staff work with them: without a script in the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PATIENCE, barriers, fits, go, open, picture, unfold } from './house.mjs';

const options = { timeout: PATIENCE * 3 };
let house;
before(async () => (house = await open()), options);
after(() => house?.close(), options);

/** The names in the table, in its order. */
const names = (page) => page.locator('table.tp-pick tbody th bdi').first().waitFor()
    .then(() => page.locator('table.tp-pick tbody tr th a > bdi').allInnerTexts());

/** The row of a plan. */
const row = (page, name) => page.getByRole('row').filter({ has: page.locator('th a bdi', { hasText: new RegExp(`^${name}$`) }) });

/** A plan's form, opened by its button. */
async function edit(page, name) {
    await go(page, '/staff?page=plans');
    await page.getByRole('link', { name: `Edit ${name}`, exact: true }).click();
    await page.getByRole('heading', { name: `Plan ${name}` }).waitFor();
}

const save = (page) => page.getByRole('button', { name: 'Save' }).click();
const said = (page, text) => page.getByRole('status').filter({ hasText: text }).first().waitFor();

/** Clicks on a row, beside its links and buttons. */
async function pick(page, name) {
    await go(page, '/staff?page=plans');
    const box = await row(page, name).locator('td[data-label=Price]').boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await page.getByRole('dialog').waitFor();
}

test('a set of plans from 2 to 50 Mbps is made by duplicating', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/staff?page=plans');
        await page.getByRole('link', { name: 'Add a plan' }).click();
        await page.getByLabel('Name *', { exact: true }).fill('2 Mbps');
        await page.getByLabel('Price *', { exact: true }).fill('5');
        await page.getByLabel('Download speed *', { exact: true }).fill('2M');
        await page.getByLabel('Upload speed *', { exact: true }).fill('1M');
        await page.getByLabel('From, tier 1 of the day', { exact: true }).fill('5 GB');
        await page.getByLabel('Download, tier 1 of the day', { exact: true }).fill('1M');
        await page.getByLabel('Upload, tier 1 of the day', { exact: true }).fill('512k');
        await picture(page, 'plan-form-1200');
        await save(page);
        await said(page, 'The plan 2 Mbps is added.');
        for (const [speed, up] of [['4 Mbps', '4000/2000'], ['8 Mbps', '8000/4000'], ['10 Mbps', '10000/5000'],
            ['20 Mbps', '20000/10000'], ['50 Mbps', '50000/25000']]) {
            await pick(page, '2 Mbps');
            const name = page.getByLabel('Name of the copy');
            assert.equal(await name.inputValue(), '2 Mbps (Copy)');
            await name.fill(speed);
            if (speed === '4 Mbps') await picture(page, 'plans-duplicate-1200');
            await page.getByRole('button', { name: 'Duplicate' }).click();
            await said(page, `The plan ${speed} is added`);
            const [down, rise] = up.split('/');
            await page.getByLabel('Download speed *', { exact: true }).fill(down);
            await page.getByLabel('Upload speed *', { exact: true }).fill(rise);
            await save(page);
            await said(page, `The plan ${speed} is saved.`);
        }
        await page.getByRole('columnheader', { name: 'Speed' }).getByRole('link').click();
        const made = (await names(page)).filter((it) => it.endsWith(' Mbps'));
        assert.deepEqual(made, ['2 Mbps', '4 Mbps', '8 Mbps', '10 Mbps', '20 Mbps', '50 Mbps'], 'by number, not by letter');
        await picture(page, 'plans-1200');
        await edit(page, '50 Mbps');
        assert.equal(await page.getByLabel('From, tier 1 of the day', { exact: true }).inputValue(), '5 GB');
        assert.equal(await page.getByLabel('Download speed *', { exact: true }).inputValue(), '50M');
    });
});

test('downloads are made free from 00:00 to 06:00, and the simulator says so', options, async () => {
    await house.visit({}, async (page) => {
        await edit(page, 'Unlimited 100');
        await page.getByLabel('Time-based discount enabled').check();
        await page.getByLabel('From', { exact: true }).fill('00:00');
        await page.getByLabel('To', { exact: true }).fill('06:00');
        await page.getByLabel('Download ratio, %').fill('100');
        await page.getByLabel('Upload ratio, %').fill('100');
        await save(page);
        await said(page, 'The plan Unlimited 100 is saved.');
        assert.match(await row(page, 'Unlimited 100').innerText(), /free 00:00–06:00/);
        await edit(page, 'Unlimited 100');
        await page.getByLabel('At', { exact: true }).fill('03:00');
        await page.getByRole('button', { name: 'What would happen?' }).click();
        await page.getByRole('definition').filter({ hasText: /^on/ }).waitFor();
    });
});

test('a CDN tier is put on top of a plan', options, async () => {
    await house.visit({}, async (page) => {
        await edit(page, 'Night 10');
        await page.getByLabel('CDN FUP enabled').check();
        await save(page);
        await page.getByRole('alert').waitFor();
        assert.match(await page.locator('.tp-fault').innerText(), /is missing: CDN tiers need a CDN profile/);
        await chooseProfile(page);
        await page.getByLabel('CDN download', { exact: true }).fill('50M');
        await page.getByLabel('CDN upload', { exact: true }).fill('10M');
        for (const kind of ['day, CDN', 'cycle, CDN']) {
            for (const [tier, from, speed] of [[1, '10 GB', '20M'], [2, '20 GB', '10M'], [3, '40 GB', '5M']]) {
                await page.getByLabel(`From, tier ${tier} of the ${kind}`, { exact: true }).fill(from);
                await page.getByLabel(`Download, tier ${tier} of the ${kind}`, { exact: true }).fill(speed);
                await page.getByLabel(`Upload, tier ${tier} of the ${kind}`, { exact: true }).fill('2M');
            }
        }
        await save(page);
        await said(page, 'The plan Night 10 is saved.');
        assert.match(await row(page, 'Night 10').innerText(), /CDN/);
    });
});

/** Names the CDN profile: by its number, or from the list of profiles. */
async function chooseProfile(page) {
    const field = page.locator('[name=cdn_profile_id]');
    if ((await field.evaluate((it) => it.tagName)) === 'SELECT') await field.selectOption({ index: 1 });
    else await field.fill('1');
}

test('the sorting is remembered, and turned by a second click', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/staff?page=plans');
        await page.getByRole('columnheader', { name: 'Price' }).getByRole('link').click();
        const rising = await names(page);
        await page.getByRole('columnheader', { name: 'Price' }).getByRole('link').click();
        const falling = await names(page);
        assert.deepEqual([...falling].sort(), [...rising].sort());
        assert.notDeepEqual(falling, rising);
        assert.equal(await page.getByRole('columnheader', { name: 'Price' }).getAttribute('aria-sort'), 'descending');
    });
    // Another browser of the same administrator.
    await house.visit({}, async (page) => {
        await go(page, '/staff?page=plans');
        assert.equal(await page.getByRole('columnheader', { name: 'Price' }).getAttribute('aria-sort'), 'descending');
    });
});

test('a plan in use is not deleted, one that nobody is on is', options, async () => {
    await house.visit({}, async (page) => {
        await go(page, '/staff?page=plans');
        await page.getByRole('link', { name: 'Delete Home 20' }).click();
        await page.getByRole('dialog').getByText('1 subscriber is on it').waitFor();
        await picture(page, 'plans-delete-1200');
        assert.equal(await page.getByRole('button', { name: 'Yes, delete it' }).count(), 0);
        await page.getByRole('link', { name: 'See who' }).click();
        await page.getByRole('cell', { name: 'Charles Babbage' }).waitFor();
        await pick(page, 'Home 20');
        await page.getByRole('button', { name: 'Duplicate' }).click();
        await said(page, 'The plan Home 20 (Copy) is added');
        await go(page, '/staff?page=plans');
        await page.getByRole('link', { name: 'Delete Home 20 (Copy)', exact: true }).click();
        await page.getByRole('button', { name: 'Yes, delete it' }).click();
        await said(page, 'The plan is removed.');
        assert.ok(!(await names(page)).includes('Home 20 (Copy)'));
    });
});

for (const [width, colorScheme] of [[360, 'light'], [1200, 'light'], [360, 'dark']]) {
    test(`what is wrong is said at its field, at ${width} px in ${colorScheme} colours, and nothing typed is lost`, options, async () => {
        await house.visit({ width, colorScheme }, async (page) => {
            await edit(page, 'Home 20');
            await page.getByLabel('Commercial name').fill('Typed and kept');
            await page.getByLabel('Download, tier 2 of the day', { exact: true }).fill('9M');
            await save(page);
            await page.getByRole('alert').waitFor();
            const field = page.getByLabel('Download, tier 2 of the day', { exact: true });
            assert.equal(await field.getAttribute('aria-invalid'), 'true');
            assert.match(await page.locator('.tp-fault').innerText(), /is faster than tier 1's/);
            assert.equal(await page.getByLabel('Commercial name').inputValue(), 'Typed and kept');
            await fits(page, 'a form with a fault');
            assert.deepEqual(await barriers(page), []);
            await picture(page, `plan-fault-${width}-${colorScheme}`);
        });
    });

    test(`popups, simulator, counters and rules have no barrier at ${width} px in ${colorScheme} colours`, options, async () => {
        await house.visit({ width, colorScheme }, async (page) => {
            await go(page, '/staff?page=plans');
            const [copy] = await page.locator('a.tp-whole').evaluateAll((all) => all.map((it) => it.getAttribute('href')));
            const plan = copy.replace('copy=', 'plan=');
            for (const [where, name] of [[copy, 'popup'], [`${plan}&simulate=1&monthly_bytes=300+GB&daily_bytes=21+GB&at=21:30`, 'simulator'],
                ['/staff?page=fup', 'fup'], ['/staff?page=rules', 'rules'], ['/staff?page=rules&add=1', 'rule'],
                ['/staff?page=plans&add=1', 'add']]) {
                await go(page, where);
                await unfold(page);
                await fits(page, where);
                assert.deepEqual(await barriers(page), [], where);
                await picture(page, `plans-${name}-${width}-${colorScheme}`);
            }
        });
    });
}
