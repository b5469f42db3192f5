// The course: eight chapters in both languages, found from the lessons, readable by keyboard and on a phone.
import { strict as assert } from 'node:assert';
import { noOverflow, open, shot, visit } from './harness.mjs';

const FIRST = { zh: '词元是什么', en: 'What a token is' };

async function read({ launched, url, folder }, dress) {
  const { page, context, problems } = await open(launched, url, dress);
  await visit(page, 'course');
  assert.equal(await page.locator('.chapters li').count(), 8);
  await page.getByRole('link', { name: FIRST[dress.lang], exact: true }).click();
  for (let chapter = 1; chapter <= 8; chapter += 1) {
    await page.waitForFunction((n) => location.hash === `#/course/${n}` && document.activeElement?.id === 'title', chapter);
    if (chapter === 1) assert.equal(await page.locator('h1').innerText(), FIRST[dress.lang]);
    assert.ok((await page.title()).startsWith(await page.locator('h1').innerText()), 'the title of the window');
    assert.ok((await page.locator('.prose h2').count()) >= 4, `chapter ${chapter} has parts`);
    assert.ok((await page.locator('.prose .sh').count()) >= 2, `chapter ${chapter} has commands`);
    assert.equal(await page.evaluate(() => scrollY), 0, 'a chapter begins at its beginning');
    const text = (await page.locator('.prose :is(p, li, h2, h3, td)').allInnerTexts()).join('\n');
    assert.ok(!/`|\]\(|\*/.test(text), `chapter ${chapter}: markdown is left over`);
    assert.equal(/[\u4e00-\u9fff]{12}/.test(text), dress.lang === 'zh', `chapter ${chapter} is in the page's language`);
    await noOverflow(page);
    await shot(page, folder, `chapter-${chapter}-${dress.lang}-${dress.theme}-${dress.size}`);
    const next = page.locator('footer .after');
    if (chapter < 8) await next.click();
    else assert.equal(await next.count(), 0);
  }
  assert.deepEqual(problems, []);
  await context.close();
}

export const tests = {};
for (const lang of ['zh', 'en']) {
  for (const [theme, size] of [
    ['light', 'desktop'],
    ['dark', 'phone'],
  ]) {
    tests[`the course from end to end, ${lang}, ${theme}, ${size}`] = (world) => read(world, { lang, theme, size });
  }
}

tests['each lesson leads to its chapters, and a chapter back to its lesson'] = async ({ launched, url }) => {
  const { page, context, problems } = await open(launched, url, { lang: 'en' });
  const wanted = { tokens: [1], textbooks: [2], teacher: [3, 4], work: [5, 7], scorecard: [6], inside: [8] };
  for (const [lesson, chapters] of Object.entries(wanted)) {
    await visit(page, lesson);
    const links = await page.locator('main header .lead a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
    assert.deepEqual(links, chapters.map((n) => `#/course/${n}`), lesson);
    for (const n of chapters) {
      await page.evaluate((to) => (location.hash = to), `#/course/${n}`);
      await page.locator(`main a.button[href="#/${lesson}"]`).waitFor();
    }
  }
  await visit(page, 'school');
  await page.getByRole('link', { name: 'The course in eight chapters' }).click();
  await page.locator('.chapters').waitFor();
  assert.deepEqual(problems, []);
  await context.close();
};

tests['a chapter follows the language, and its links lead to chapters'] = async ({ launched, url }) => {
  const { page, context, problems } = await open(launched, url, { lang: 'en' });
  await visit(page, 'course/5');
  assert.equal(await page.locator('h1').innerText(), 'Fine-tuning');
  await page.getByRole('button', { name: '切换到中文' }).click();
  assert.equal(await page.locator('h1').innerText(), '微调');
  await visit(page, 'course/6');
  await page.locator('.prose a[href="#/course/2"]').first().click();
  await page.waitForFunction(() => document.querySelector('h1')?.textContent === '课本');
  await visit(page, 'course/99');
  await page.getByText('没有第99章。').waitFor();
  assert.equal(await page.locator('.chapters li').count(), 8);
  assert.deepEqual(problems, []);
  await context.close();
};

tests['the keyboard alone reads a chapter: a command is copied, long output is scrolled'] = async ({ launched, url }) => {
  const { page, context, problems } = await open(launched, url, { lang: 'en', size: 'phone' });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await visit(page, 'course/8');
  await page.locator('#title').focus();
  const reached = async (test) => {
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(test)) return true;
    }
    return false;
  };
  assert.ok(await reached(() => document.activeElement?.matches('.sh button')), 'the first command can be copied');
  await page.keyboard.press('Enter');
  await page.getByText('Copied').first().waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^shuyuan explain/);
  assert.ok(await reached(() => document.activeElement?.matches('pre') && document.activeElement.scrollWidth > document.activeElement.clientWidth));
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.activeElement.scrollLeft > 0);
  assert.deepEqual(problems, []);
  await context.close();
};
