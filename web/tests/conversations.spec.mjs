// Lesson 6: conversations that the server keeps: there after a reload, each with its settings, never overwritten unseen.
import { strict as assert } from 'node:assert';
import { answerOf, finished, noOverflow, open, say, shot, visit } from './harness.mjs';

const list = (page) => page.getByTestId('past');
const inList = (page, title) => list(page).locator('li', { has: page.getByRole('link', { name: title, exact: true }) });
const saved = (page) => page.waitForResponse((response) => /\/api\/conversations(\/\d+)?$/.test(response.url()) && response.request().method() !== 'GET');
/** A title that no other test has. */
const title = (word) => `${word} ${Date.now() % 1e9}`;

/** Says something and waits until its answer is kept. */
async function sayAndKeep(page, text, answers) {
  await say(page, text);
  await finished(page, answers);
  // The question first, then the answer.
  await page.waitForFunction(
    async ([words, n]) => {
      const { id } = /\/chat\/(?<id>\d+)$/.exec(location.hash)?.groups ?? {};
      if (!id) return false;
      const { messages } = await (await fetch(`/api/conversations/${id}`)).json();
      return messages.some((m) => m.content === words) && messages.filter((m) => m.finish_reason).length === n;
    },
    [text, answers],
    { polling: 100 },
  );
}

export const tests = {
  async 'a reload shows the conversation, and delete removes it'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    const first = title('Hello!');
    await sayAndKeep(page, first, 1);
    await sayAndKeep(page, 'What is 23 plus 45?', 2);
    const answers = [await answerOf(page, 0), await answerOf(page, 1)];
    await page.reload();
    await finished(page, 2);
    assert.deepEqual(await page.locator('.question').allInnerTexts(), [first, 'What is 23 plus 45?']);
    assert.deepEqual([await answerOf(page, 0), await answerOf(page, 1)], answers);
    // It goes on where it was.
    await sayAndKeep(page, 'Thank you.', 3);
    await inList(page, first).getByRole('button', { name: 'Rename' }).click();
    const field = page.getByLabel('Title');
    await field.fill(`${first} renamed`);
    await field.press('Enter');
    const renamed = inList(page, `${first} renamed`);
    await renamed.waitFor();
    await renamed.getByRole('button', { name: 'Delete' }).click();
    assert.equal(await renamed.count(), 1, 'it asks first');
    await renamed.getByRole('button', { name: 'Delete' }).click();
    await renamed.waitFor({ state: 'detached' });
    assert.equal(await page.locator('.question').count(), 0);
    assert.equal(await page.evaluate(() => location.hash), '#/work');
    await page.reload();
    await page.getByText('Say hello.', { exact: false }).waitFor();
    assert.equal(await renamed.count(), 0);
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'each conversation has its own settings'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    await page.getByText(/How it speaks/).click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await page.getByLabel('At most, tokens').fill('33');
    const [one, two] = [title('One'), title('Two')];
    await sayAndKeep(page, one, 1);
    // A setting that is changed afterwards is kept, too.
    const later = saved(page);
    await page.getByLabel('Seed (empty: by chance)').fill('7');
    assert.equal((await later).status(), 200);
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.locator('.question').waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('System prompt').inputValue(), '');
    assert.equal(await page.getByLabel('At most, tokens').inputValue(), '160');
    await sayAndKeep(page, two, 1);
    await inList(page, one).getByRole('link').click();
    await page.locator('.question', { hasText: one }).waitFor();
    assert.equal(await page.getByLabel('System prompt').inputValue(), 'Be brief.');
    assert.equal(await page.getByLabel('Seed (empty: by chance)').inputValue(), '7');
    await page.goBack();
    await page.locator('.question', { hasText: two }).waitFor();
    assert.equal(await page.getByLabel('At most, tokens').inputValue(), '160');
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'two windows on one conversation: nothing is overwritten unseen'({ launched, url, folder }) {
    const { page, context } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work');
    const first = title('Hello!');
    await sayAndKeep(page, first, 1);
    const other = await context.newPage();
    await other.goto(page.url());
    await other.locator('.question', { hasText: first }).waitFor();
    await sayAndKeep(other, 'From the other window.', 2);
    await say(page, 'From this window.');
    await finished(page, 2);
    const told = page.getByRole('status').filter({ hasText: 'another window' });
    await told.waitFor();
    await shot(page, folder, 'work-conflict');
    await told.getByRole('button', { name: 'Keep mine as a new one' }).click();
    await told.waitFor({ state: 'detached' });
    assert.deepEqual(await page.locator('.question').allInnerTexts(), [first, 'From this window.']);
    await other.reload();
    await finished(other, 2);
    assert.deepEqual(await other.locator('.question').allInnerTexts(), [first, 'From the other window.']);
    // The other way: what stands here gives way.
    await page.goto(other.url());
    await page.locator('.question', { hasText: 'From the other window.' }).waitFor();
    await sayAndKeep(other, 'Once more.', 3);
    await say(page, 'Too late.');
    await told.getByRole('button', { name: 'Show the other' }).click();
    await page.locator('.question', { hasText: 'Once more.' }).waitFor();
    assert.equal(await page.locator('.question', { hasText: 'Too late.' }).count(), 0);
    await context.close();
  },
  async 'what could not be saved says so, and can be saved later'({ launched, url }) {
    const { page, context } = await open(launched, url, { lang: 'zh' });
    await visit(page, 'work');
    let refused = 0;
    await page.route('**/api/conversations', (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      refused += 1;
      return route.abort();
    });
    const field = page.locator('.composer textarea').first();
    await field.fill(title('你好'));
    await field.press('Enter');
    await finished(page, 1);
    const told = page.getByRole('status').filter({ hasText: '没能保存' });
    await told.waitFor();
    while (refused < 2) await page.waitForTimeout(50); // the question, and the answer
    await page.unroute('**/api/conversations');
    const kept = saved(page);
    await told.getByRole('button', { name: '再试一次' }).click();
    assert.equal((await kept).status(), 201);
    await told.waitFor({ state: 'detached' });
    await page.reload();
    await finished(page, 1);
    await context.close();
  },
  async 'an answer that was cut off is kept as far as it came'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    // No model here is slow enough: the page is shown one that never ends.
    await page.addInitScript(() => {
      const fetched = window.fetch;
      const chunk = (delta) => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;
      window.fetch = (path, init) => {
        if (path !== '/v1/chat/completions') return fetched(path, init);
        const body = new ReadableStream({
          start(to) {
            const call = { id: 'call_1', function: { name: 'weather', arguments: '{}' } };
            const deltas = [{ reasoning_content: 'They want a story.' }, { tool_calls: [call] }, { content: 'Once upon' }];
            for (const delta of deltas) to.enqueue(new TextEncoder().encode(chunk(delta)));
            init.signal.addEventListener('abort', () => to.error(init.signal.reason));
          },
        });
        return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
      };
    });
    await page.reload();
    await visit(page, 'work');
    const first = title('A story');
    const asked = saved(page);
    await say(page, first);
    assert.equal((await asked).status(), 201);
    await page.getByText('Once upon').first().waitFor();
    await page.waitForFunction(() => /chat\/\d+$/.test(location.hash));
    await page.reload(); // in the midst of the answer
    await finished(page, 1);
    assert.equal(await page.locator('.question').innerText(), first);
    assert.equal(await answerOf(page, 0), 'Once upon');
    assert.equal(await page.getByTestId('thought').locator('p').innerText().catch(() => ''), '', 'folded');
    await page.getByTestId('thought').locator('summary').click();
    assert.equal(await page.getByTestId('thought').locator('p').innerText(), 'They want a story.');
    assert.equal(await page.getByTestId('call').locator('code').innerText(), 'weather');
    await page.locator('.answer').getByText('stopped').waitFor();
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'a conversation that is not there is said, and a new one can begin'({ launched, url }) {
    const { page, context, problems } = await open(launched, url, { lang: 'en' });
    await visit(page, 'work/chat/999999');
    assert.match(await page.getByRole('alert').innerText(), /no conversation 999999/);
    await sayAndKeep(page, title('Hello!'), 1);
    assert.equal(await page.getByRole('alert').count(), 0);
    assert.deepEqual(problems, []);
    await context.close();
  },
  async 'the list is searched, and folds on a phone, in each dress'({ launched, url, folder }) {
    const word = title('needle');
    for (const [lang, theme, size] of [['en', 'light', 'desktop'], ['zh', 'dark', 'desktop'], ['zh', 'light', 'phone'], ['en', 'dark', 'phone']]) {
      const { page, context, problems } = await open(launched, url, { lang, theme, size });
      await page.evaluate(async (text) => {
        for (let i = 0; i < 12; i += 1) {
          const messages = [{ role: 'user', content: i === 4 ? text : `What is ${i} plus ${i}, and is it more than a hundred and seven?` }];
          await fetch('/api/conversations', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ messages }) });
        }
      }, `${word} ${lang} ${size}`);
      await visit(page, 'work');
      const link = list(page).getByRole('link', { name: `${word} ${lang} ${size}` });
      const links = list(page).getByRole('link');
      if (size === 'phone') {
        assert.equal(await links.first().isVisible(), false, 'folded');
        await list(page).locator('summary').click();
      }
      assert.equal(await links.count(), 12);
      await list(page).getByRole('searchbox').fill(`${word} ${lang} ${size}`.toUpperCase());
      await page.waitForFunction(() => document.querySelectorAll('[data-testid=past] li').length === 1);
      await list(page).getByRole('searchbox').fill('');
      await page.waitForFunction(() => document.querySelectorAll('[data-testid=past] li').length === 12);
      await noOverflow(page);
      await shot(page, folder, `work-past-${lang}-${theme}-${size}`);
      await link.click();
      await page.locator('.question', { hasText: word }).waitFor();
      assert.equal(await links.first().isVisible(), size !== 'phone', 'folded again where it would hide the conversation');
      assert.deepEqual(problems, []);
      await context.close();
    }
  },
};
