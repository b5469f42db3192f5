// Lesson 3: pieces and their numbers, live and lossless.
import { strict as assert } from 'node:assert';
import { open, visit } from './harness.mjs';

const rows = (page) => page.locator('tbody tr');

export const tests = {
  'the table shows a token and an id for each piece'({ launched, url }) {
    return check(launched, url, 'The cat sat on the mat');
  },
  'Chinese and emoji come through whole'({ launched, url }) {
    return check(launched, url, '我今天吃了狮子头和蔬菜');
  },
  async 'typing changes the table, and no text is no tokens'({ launched, url }) {
    const { page, context, problems } = await open(launched, url);
    await visit(page, 'tokens');
    const field = page.locator('textarea');
    assert.equal(await field.inputValue(), 'The cat sat on the mat');
    await field.fill('红');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length <= 3);
    await field.fill('');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 0);
    assert.deepEqual(problems, []);
    await context.close();
  },
};

async function check(launched, url, text) {
  const { page, context, problems } = await open(launched, url);
  await visit(page, 'tokens');
  await page.locator('textarea').fill(text);
  const answer = await (await page.request.post(new URL('/api/tokenize', url).href, { data: { text } })).json();
  const ids = answer.tokens.map((token) => String(token.id));
  await page.waitForFunction(
    (expected) => [...document.querySelectorAll('tbody td.id')].map((e) => e.textContent).join() === expected,
    ids.join(),
  );
  assert.equal(await rows(page).count(), ids.length);
  const whole = answer.tokens.every((token) => !token.text.includes('\uFFFD'));
  if (whole) assert.equal(await page.getByTestId('pieces').evaluate((e) => e.textContent.trim()), text);
  assert.deepEqual(problems, []);
  await context.close();
}
