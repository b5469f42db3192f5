// Lesson 6: the model at work: streams, is stopped, asked again, edited, and sent down another way.
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { answerOf, finished, noOverflow, open, say, shot, visit } from './harness.mjs';

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
  async 'each trade keeps its own settings, and a conversation its instructions'({ launched, url, folder }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await page.getByText(/How it speaks/).click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await page.getByLabel('Seed (empty: by chance)').fill('7');
    await page.getByLabel('At most, tokens').fill('40');
    const sent = page.waitForRequest((request) => request.url().endsWith('/v1/chat/completions'));
    await say(page, 'Hello!');
    const body = JSON.parse((await sent).postData() ?? '{}');
    assert.deepEqual(body.messages[0], { role: 'system', content: 'Be brief.' });
    assert.deepEqual([body.seed, body.max_tokens, body.tools], [7, 40, undefined]);
    await finished(page, 1);
    // What it took stands under the answer.
    const cost = page.getByTestId('cost');
    await cost.waitFor();
    assert.match(await cost.innerText(), /Context:\s*\d+\s*\/\s*\d+/);
    await shot(page, folder, 'work-settings');
    await page.getByText('Translate', { exact: true }).first().click();
    // A click on a trade changes the address, and the page follows a moment later.
    await page.getByLabel('System prompt').waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('System prompt').count(), 0, 'a trade words its prompt itself');
    assert.equal(await page.getByLabel('At most, tokens').inputValue(), '120');
    await page.getByText('Chat', { exact: true }).first().click();
    await page.getByLabel('System prompt').waitFor();
    assert.equal(await page.getByLabel('At most, tokens').inputValue(), '40');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'a conversation can be kept as a file'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'zh' });
    await visit(page, 'work');
    await page.locator('.composer textarea').first().fill('你好!');
    await page.locator('.composer textarea').first().press('Enter');
    await finished(page, 1);
    const answer = (await answerOf(page, 0)).trim();
    const saved = async (name) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
      return readFile(await file.path(), 'utf8');
    };
    const markdown = await saved('存为 Markdown');
    assert.ok(markdown.includes('你好!') && markdown.includes(answer.slice(0, 4)), markdown);
    const json = JSON.parse(await saved('存为 JSON'));
    assert.deepEqual(json.messages.map((message) => message.role), ['user', 'assistant']);
    assert.equal(typeof json.settings.temperature, 'number');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'thinking and calls are folded away'({ launched, url, folder }) {
    // No model here thinks or calls: the page is shown an answer of one that does.
    const chunk = (delta, finish = null) => {
      const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
      return `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [choice] })}\n\n`;
    };
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } };
    const body = [
      chunk({ role: 'assistant', content: '' }),
      chunk({ reasoning_content: 'They want the weather.' }),
      chunk({ content: 'Let me look.' }),
      chunk({ tool_calls: [call] }),
      chunk({}, 'tool_calls'),
      `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 20, completion_tokens: 30 } })}\n\n`,
      'data: [DONE]\n\n',
    ].join('');
    for (const [lang, size] of [['en', 'desktop'], ['zh', 'desktop'], ['zh', 'phone'], ['en', 'phone']]) {
      const { page, context, problems } = await open(launched, url, { lang, size });
      let asked;
      await page.route('**/v1/chat/completions', (route) => {
        asked = JSON.parse(route.request().postData() ?? '{}');
        return route.fulfill({ contentType: 'text/event-stream', body });
      });
      await visit(page, 'work');
      await page.locator('details summary').last().click();
      await page.locator('textarea.code').fill('[{"type": "function", "function": {"name": "weather"}}]');
      await page.locator('.composer textarea').first().fill('Weather?');
      await page.locator('.composer textarea').first().press('Enter');
      await finished(page, 1);
      assert.equal(asked.tools[0].function.name, 'weather');
      const thought = page.getByTestId('thought');
      assert.equal(await thought.locator('p').isVisible(), false, 'folded');
      await thought.locator('summary').click();
      assert.equal(await thought.locator('p').innerText(), 'They want the weather.');
      await page.getByTestId('call').locator('summary').click();
      assert.equal(await page.getByTestId('call').locator('pre').innerText(), '{"city":"Ulm"}');
      assert.equal((await answerOf(page, 0)).trim(), 'Let me look.');
      await page.getByTestId('cost').waitFor();
      await noOverflow(page);
      await shot(page, folder, `work-thinking-${lang}-${size}`);
      assert.deepEqual(problems, []);
      await context.close();
    }
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
