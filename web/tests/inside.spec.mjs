// Lesson 5: attention, lens, parts, neighbours, drawn from what the server answers.
import { strict as assert } from 'node:assert';
import { open, visit } from './harness.mjs';

export const tests = {
  async 'a sentence is seen from inside'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'inside');
    const attention = page.getByTestId('attention');
    await attention.locator('path.arc').first().waitFor();
    const heads = page.locator('.heads button');
    assert.ok((await heads.count()) >= 2, 'every head can be chosen');
    await heads.last().click();
    assert.equal(await heads.last().getAttribute('aria-pressed'), 'true');
    await page.keyboard.press('ArrowUp');
    assert.equal(await heads.last().getAttribute('aria-pressed'), 'false');
    await page.getByText('matrix', { exact: true }).click();
    assert.ok((await attention.locator('rect').count()) > 3, 'the matrix has cells');
    const cells = page.getByTestId('lens').locator('tbody button');
    const tokens = await page.getByTestId('lens').locator('thead th').count() - 1;
    const layers = await page.getByTestId('lens').locator('tbody tr').count();
    assert.equal(await cells.count(), tokens * layers);
    await cells.first().hover();
    assert.equal(await page.locator('.best li').count(), 5);
    assert.equal(await page.getByTestId('parts').locator('tbody tr').count(), layers - 1);
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'another sentence can be read'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'inside');
    const field = page.getByLabel('A sentence to read');
    await field.fill('The cat sat on the mat');
    await field.press('Enter');
    await page.waitForFunction(() => document.querySelector('.tokens')?.textContent?.includes('The'));
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'a word has neighbours, a map, and they lead on'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'zh' });
    await visit(page, 'inside');
    const near = page.getByTestId('near').locator('li');
    await near.first().waitFor();
    assert.equal(await near.count(), 10);
    assert.match(await near.first().innerText(), /\d\.\d\d/);
    assert.ok((await page.getByTestId('map').locator('circle').count()) >= 11);
    const next = await near.first().locator('button').innerText();
    await near.first().locator('button').click();
    await page.waitForFunction((word) => document.querySelector('[data-testid=map] .rank0 text')?.textContent === word, next);
    assert.deepEqual(problems, []);
    await context.close();
  },
};
