// Lessons 1, 2, 4 and the report card: what the home folder holds is what is shown.
import { strict as assert } from 'node:assert';
import { noOverflow, open, shot, visit } from './harness.mjs';

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
  async 'the teacher says what looks wrong, in both languages'({ launched, url, folder }) {
    const findings = [
      { rule: 'spike', step: 1234, value: 5.123, than: 2.5, count: 3 },
      { rule: 'memorising', step: 800, value: 1.31, than: 1.2, count: 1 },
    ];
    for (const [lang, said] of [['en', ['The loss jumped', '3 in all, the last at step 1,234: 5.12', 'It learns by heart']], ['zh', ['损失突然跳高', '一共 3 次', '死记硬背']]]) {
      const { page, context, problems } = await open(launched, url, { lang, size: 'phone' });
      await page.route('**/api/runs/*', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), findings } });
      });
      await visit(page, 'teacher');
      const text = await page.getByTestId('findings').innerText();
      for (const words of said) assert.ok(text.includes(words), `${words} in ${text}`);
      await noOverflow(page);
      await shot(page, folder, `teacher-findings-${lang}`);
      assert.deepEqual(problems, []);
      await context.close();
    }
  },
  async 'the teacher lays recipes beside each other, what differs first'({ launched, url, folder }) {
    const runs = await (await fetch(new URL('/api/runs', url))).json();
    if (runs.length < 2) return 'one run only';
    for (const size of ['desktop', 'phone']) {
      const { page, context, problems } = await open(launched, url, { lang: size === 'phone' ? 'zh' : 'en', size });
      await visit(page, 'teacher');
      await page.locator('li label.soft input').first().check();
      const table = page.getByTestId('recipes');
      const rows = table.locator('tbody tr');
      await rows.first().waitFor();
      const different = await rows.count();
      for (const cells of await rows.evaluateAll((all) => all.map((row) => [...row.querySelectorAll('td')].map((td) => td.textContent)))) {
        assert.equal(cells.length, 2);
        assert.notEqual(cells[0], cells[1]);
      }
      await noOverflow(page);
      await shot(page, folder, `teacher-recipes-${size}`);
      await page.locator('button[aria-expanded=false]', { hasText: size === 'phone' ? '相同' : 'same' }).click();
      assert.ok((await rows.count()) > different);
      assert.ok((await table.innerText()).includes('optimizer.warmup_steps'));
      await noOverflow(page);
      assert.deepEqual(problems, []);
      await context.close();
    }
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
