// Every lesson in Chinese and English, light and dark, desktop and phone: titled, in the right language, nothing sticking out.
import { strict as assert } from 'node:assert';
import { noOverflow, open, PAGES, shot, SIZES, visit } from './harness.mjs';

const TITLES = {
  zh: ['学校', '课本', '词元', '老师', '内部', '工作', '知识', '成绩单', '讲义'],
  en: ['School', 'Textbooks', 'Tokens', 'Teacher', 'Inside', 'Work', 'Knowledge', 'Report card', 'Course'],
};

async function walk({ launched, url, folder }, dress) {
  const { page, context, problems } = await open(launched, url, dress);
  for (const [i, lesson] of PAGES.entries()) {
    await visit(page, lesson);
    assert.equal(await page.locator('h1').innerText(), TITLES[dress.lang][i]);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), dress.theme);
    assert.equal(await page.evaluate(() => document.documentElement.lang), dress.lang === 'zh' ? 'zh-CN' : 'en');
    if (lesson === 'inside') await page.waitForTimeout(1500);
    await noOverflow(page);
    await shot(page, folder, `${lesson}-${dress.lang}-${dress.theme}-${dress.size}`);
  }
  assert.deepEqual(problems, []);
  await context.close();
}

export const tests = {};
for (const lang of ['zh', 'en']) {
  for (const theme of ['light', 'dark']) {
    for (const size of Object.keys(SIZES)) {
      tests[`every lesson, ${lang}, ${theme}, ${size}`] = (world) => walk(world, { lang, theme, size });
    }
  }
}

tests['language and theme can be switched, and are remembered'] = async ({ launched, url }) => {
  const { page, context } = await open(launched, url, { lang: 'en' });
  await page.getByRole('button', { name: '切换到中文' }).click();
  assert.equal(await page.locator('h1').innerText(), '学校');
  await page.getByRole('button', { name: /明暗/ }).click(); // system → light
  await page.getByRole('button', { name: /明暗/ }).click(); // light → dark
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.deepEqual(await page.evaluate(() => [localStorage.lang, localStorage.theme]), ['zh', 'dark']);
  await context.close();
};

tests['the keyboard alone reaches the lessons, and focus is visible'] = async ({ launched, url }) => {
  const { page, context } = await open(launched, url, { lang: 'en' });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('href')), '#title');
  for (let i = 0; i < 20; i += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement?.getAttribute('href'))) === '#/tokens') break;
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('h1')?.textContent === 'Tokens' && document.activeElement?.tagName === 'H1');
  await context.close();
};

tests['every control has a name'] = async ({ launched, url }) => {
  const { page, context } = await open(launched, url, { lang: 'en' });
  for (const lesson of PAGES) {
    await visit(page, lesson);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, a[href], input, textarea, select')]
        .filter((e) => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.labels?.length || e.closest('[aria-hidden]')))
        .map((e) => e.outerHTML.slice(0, 120)),
    );
    assert.deepEqual(nameless, [], lesson);
  }
  await context.close();
};
