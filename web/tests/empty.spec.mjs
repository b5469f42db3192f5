// A home with nothing in it: every lesson still opens, and says what to do.
import { strict as assert } from 'node:assert';
import { noOverflow, open, PAGES, shot, visit } from './harness.mjs';

const COMMANDS = {
  school: /shuyuan quickstart/,
  textbooks: /shuyuan corpus build/,
  tokens: /shuyuan tokenizer train/,
  teacher: /shuyuan pretrain/,
  inside: /shuyuan explain/,
  work: /shuyuan serve/,
  knowledge: /shuyuan kb add/,
  scorecard: /shuyuan eval/,
};

export const tests = {
  async 'an empty home is explained on every lesson'({ launched, folder }) {
    const url = process.env.SHUYUAN_EMPTY_URL;
    if (!url) return 'SHUYUAN_EMPTY_URL is not set';
    const { page, context, problems } = await open(launched, url, { lang: 'en', size: 'phone' });
    for (const lesson of PAGES) {
      await visit(page, lesson);
      if (lesson === 'course') assert.equal(await page.locator('.chapters li').count(), 8, 'the course can be read without a model');
      else assert.match(await page.locator('main .command').first().innerText(), COMMANDS[lesson], lesson);
      await noOverflow(page);
      await shot(page, folder, `empty-${lesson}`);
    }
    assert.deepEqual(problems, []);
    await context.close();
  },
};
