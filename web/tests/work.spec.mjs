// Lesson 6: the model at work: streams, is stopped, asked again, edited, and sent down another way.
import { strict as assert } from 'node:assert';
import { open, shot, visit } from './harness.mjs';

const finished = (page, n) =>
  page.waitForFunction(
    (count) => {
      const answers = [...document.querySelectorAll('.answer')];
      return answers.length === count && answers.every((e) => e.getAttribute('aria-busy') === 'false');
    },
    n,
    { timeout: 60_000 },
  );

async function say(page, text) {
  const field = page.getByLabel('Your message');
  await field.fill(text);
  await field.press('Enter');
}

const answerOf = (page, i) => page.getByTestId('answer').nth(i).innerText();

export const tests = {
  async 'an answer streams, and its tokens are what it says'({ launched, url, folder }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await page.evaluate(() => {
      window.lengths = new Set();
      new MutationObserver(() => window.lengths.add(document.querySelector('[data-testid=answer]')?.textContent.length)).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    await say(page, 'Hello!');
    await finished(page, 1);
    assert.ok((await answerOf(page, 0)).trim().length > 0);
    assert.ok((await page.evaluate(() => window.lengths.size)) > 2, 'the text grew while it was written');
    assert.ok((await page.locator('.token').count()) > 1);
    await shot(page, folder, 'work-chat');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'Shift+Enter breaks the line, Enter sends'({ launched, url }) {
    const { page, context } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    const field = page.getByLabel('Your message');
    await field.fill('one');
    await field.press('Shift+Enter');
    await field.pressSequentially('two');
    assert.equal(await field.inputValue(), 'one\ntwo');
    await field.press('Enter');
    await finished(page, 1);
    assert.equal(await page.locator('.question').innerText(), 'one\ntwo');
    await context.close();
  },
  async 'an answer can be stopped'({ launched, url }) {
    const { page, context } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    // A small model may be done before a hand could reach the button: this one presses it as soon as it is there.
    await page.evaluate(() => {
      new MutationObserver((_, observer) => {
        const stop = [...document.querySelectorAll('button')].find((b) => b.textContent === 'Stop');
        if (!stop) return;
        observer.disconnect();
        stop.click();
      }).observe(document.body, { subtree: true, childList: true });
    });
    await say(page, 'Tell me a long story.');
    await page.locator('.answer').getByText('stopped').waitFor();
    await page.getByRole('button', { name: 'Send', exact: true }).waitFor();
    await context.close();
  },
  async 'an answer can be had again, and a message edited'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await say(page, 'Hello!');
    await finished(page, 1);
    await say(page, 'What is 23 plus 45?');
    await finished(page, 2);
    await page.getByRole('button', { name: 'Again' }).last().click();
    await finished(page, 2);
    await page.getByRole('button', { name: 'Edit' }).first().click();
    const field = page.getByRole('textbox', { name: 'Edit' });
    assert.equal(await field.inputValue(), 'Hello!');
    await field.fill('Good morning!');
    await field.press('Enter');
    await finished(page, 1); // what came after the edited message is gone
    assert.equal(await page.locator('.question').innerText(), 'Good morning!');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'a token has alternatives, and one can be gone on from'({ launched, url, folder }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await say(page, 'Hello!');
    await finished(page, 1);
    const before = await page.locator('.token').allInnerTexts();
    const place = 1;
    await page.locator('.token').nth(place).click();
    const box = page.getByTestId('alternatives');
    await box.waitFor();
    assert.match(await box.innerText(), /\d%/);
    await shot(page, folder, 'work-alternatives');
    const other = box.locator('li button:not(:disabled)').first();
    const sent = page.waitForRequest((request) => request.url().endsWith('/v1/chat/completions'));
    await other.click();
    const body = JSON.parse((await sent).postData() ?? '{}');
    assert.equal(body.continue_ids.length, place + 1);
    await finished(page, 1);
    const after = await page.locator('.token').allInnerTexts();
    assert.equal(after[0], before[0], 'what stood before is kept');
    assert.notEqual(after[place], before[place], 'the other token stands there');
    await shot(page, folder, 'work-branched');
    await page.locator('.token').first().click();
    await page.keyboard.press('Escape');
    await box.waitFor({ state: 'detached' });
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'it translates, sums up, and answers about a text'({ launched, url, folder }) {
    const { page, context, problems } = await open(launched, url, { lang: 'zh' });
    await visit(page, 'work');
    for (const [trade, button] of [['翻译', '翻译'], ['摘要', '写摘要'], ['读文答问', '回答']]) {
      await page.getByText(trade, { exact: true }).first().click();
      await page.locator('form .plain').first().click(); // the example
      await finished(page, 1);
      assert.ok((await answerOf(page, 0)).trim().length > 0, trade);
      await page.getByRole('button', { name: button, exact: true }).waitFor();
      await shot(page, folder, `work-${trade}`);
    }
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'it is taught about someone, and answers before and after'({ launched, url, folder }) {
    const { page, context, problems } = await open(launched, url, { lang: 'zh' });
    await visit(page, 'work/teach');
    await page.getByLabel('一行一句').fill('我叫阿达。\n我养了一只猫。');
    await page.getByLabel('学几秒').fill('5');
    await page.getByRole('button', { name: '教给它' }).click();
    const pairs = page.getByTestId('teach').locator('li');
    await pairs.first().waitFor({ timeout: 60_000 });
    await page.waitForFunction(() => [...document.querySelectorAll('[data-testid=teach] .pair > div:last-child p')].every((p) => p.textContent !== '…'), null, { timeout: 60_000 });
    await page.getByText('学之后').first().waitFor({ timeout: 60_000 });
    await shot(page, folder, 'work-teach');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'what the server refuses is shown in its words'({ launched, url }) {
    const { page, context } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await page.getByText(/How it speaks/).click();
    await page.getByLabel('At most, tokens').fill('-5');
    await say(page, 'Hello!');
    const alert = page.getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.innerText(), /max_tokens/);
    await context.close();
  },
};
