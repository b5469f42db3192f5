// Chromium, pages in each dress (language, light, size), and the few checks that every page must pass.
import { strict as assert } from 'node:assert';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

export const PAGES = ['school', 'textbooks', 'tokens', 'teacher', 'inside', 'work', 'knowledge', 'scorecard', 'course'];
export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 375, height: 740 } };

/** Starts the system's Chromium; `close` also removes its profile. */
export async function browser() {
  const profile = await mkdtemp(path.join(tmpdir(), 'shuyuan-chromium-'));
  const launched = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--disk-cache-dir=${profile}`,
    ],
  });
  return {
    launched,
    async close() {
      await launched.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/**
 * A page in one dress. What goes wrong inside it (exceptions, console errors) is kept in `problems`; a 404 that the
 * page itself explains ("there is no corpus yet") is logged by Chromium as an error too, and is no problem.
 */
export async function open(launched, url, { lang = 'zh', theme = 'light', size = 'desktop' } = {}) {
  const context = await launched.newContext({
    viewport: SIZES[size],
    colorScheme: theme,
    locale: lang === 'zh' ? 'zh-CN' : 'en-GB',
    reducedMotion: 'reduce',
    hasTouch: size === 'phone',
  });
  await context.addInitScript((chosen) => localStorage.setItem('lang', chosen), lang);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems = [];
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource.*(404|503)/.test(message.text())) problems.push(message.text());
  });
  await page.goto(url);
  return { page, context, problems };
}

/** Goes to a lesson and waits until it has stopped loading. */
export async function visit(page, lesson) {
  await page.evaluate((name) => (location.hash = `#/${name}`), lesson);
  const current = `nav a[aria-current="page"][href="#/${lesson.split('/')[0]}"]`;
  await page.locator(current).waitFor();
  await page.waitForTimeout(700); // requests start on arrival and are drawn together
}

/** Nothing may stick out of the window sideways. */
export async function noOverflow(page) {
  const wide = await page.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= limit) return null;
    const worst = [...document.querySelectorAll('main *')].find((e) => e.getBoundingClientRect().right > limit + 1 && !e.closest('.scroll'));
    return `${document.documentElement.scrollWidth} > ${limit}, first: ${worst?.tagName}.${worst?.className}`;
  });
  assert.equal(wide, null, `the page scrolls sideways: ${wide}`);
}

export async function shot(page, folder, name, fullPage = true) {
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage });
}

/** Waits until the chat shows `n` answers, each at its end. */
export const finished = (page, n) =>
  page.waitForFunction(
    (count) => {
      const answers = [...document.querySelectorAll('.answer')];
      return answers.length === count && answers.every((e) => e.getAttribute('aria-busy') === 'false');
    },
    n,
    { timeout: 60_000 },
  );

/** Types into the chat, in English. */
export async function say(page, text) {
  const field = page.getByLabel('Your message');
  await field.fill(text);
  await field.press('Enter');
}

/** The text of the answer to question `i`. */
export const answerOf = (page, i) => page.getByTestId('answer').nth(i).innerText();
