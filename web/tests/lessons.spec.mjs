// Lessons 1, 2, 4 and the report card: what the home folder holds is what is shown.
import { strict as assert } from 'node:assert';
import { open, visit } from './harness.mjs';

const ask = async (page, url, path) => (await page.request.get(new URL(path, url).href)).json();

export const tests = {
  async 'the school names this machine and the road'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'school');
    const status = await ask(page, url, '/api/status');
    await page.getByText(status.hardware.cpu, { exact: true }).waitFor();
    assert.equal(await page.locator('main ol > li .mark').count(), 6);
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'the books show what was kept and a page of them'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'textbooks');
    const report = await ask(page, url, '/api/corpus');
    await page.locator('.sources li h3').first().waitFor();
    assert.equal(await page.locator('.sources > li').count(), report.sources.length);
    assert.ok((await page.locator('blockquote').first().innerText()).length > 0);
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'the teacher draws the loss, and lays runs beside each other'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'teacher');
    const runs = await ask(page, url, '/api/runs');
    await page.locator('figure svg path').first().waitFor();
    const line = await page.locator('figure').first().locator('svg path').last().getAttribute('d');
    assert.ok(line.length > 20, 'the line has points');
    if (runs.length > 1) {
      const legend = page.locator('figcaption').first().locator('.key');
      const alone = await legend.count();
      await page.getByLabel('Beside it').first().check();
      await page.waitForFunction((n) => document.querySelector('figcaption').querySelectorAll('.key').length > n, alone);
    }
    await page.getByText('seconds', { exact: true }).click();
    assert.ok((await page.locator('.prompts button').count()) > 0, 'samples by prompt');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'the report card has a mark for each subject'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'scorecard');
    const report = await ask(page, url, '/api/report');
    await page.getByTestId('scores').waitFor();
    assert.equal(await page.getByTestId('scores').locator('li').count(), Object.keys(report.scores).length);
    assert.deepEqual(problems, []);
    await context.close();
  },
};
