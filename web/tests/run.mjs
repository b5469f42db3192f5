// Runs the browser tests against a running server with a finished home:
//   SHUYUAN_URL=http://127.0.0.1:8787 node tests/run.mjs [--screenshots DIR] [WORD…]
// SHUYUAN_EMPTY_URL: a server over an empty home, for the tests of what the pages say there.
// WORDs choose the tests whose name has them all.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { browser } from './harness.mjs';

const url = process.env.SHUYUAN_URL;
if (!url) {
  console.error('SHUYUAN_URL is not set: give the address of a running `shuyuan serve`');
  process.exit(2);
}
const words = process.argv.slice(2);
const at = words.indexOf('--screenshots');
const folder = path.resolve(at >= 0 ? words.splice(at, 2)[1] : 'screenshots');
const here = path.dirname(new URL(import.meta.url).pathname);

const { launched, close } = await browser();
let failed = 0;
let passed = 0;
for (const file of (await readdir(here)).filter((name) => name.endsWith('.spec.mjs')).sort()) {
  const { tests } = await import(path.join(here, file));
  for (const [name, test] of Object.entries(tests)) {
    if (!words.every((word) => name.includes(word))) continue;
    const start = Date.now();
    try {
      const skipped = await test({ launched, url, folder });
      if (skipped) {
        console.log(`skip  ${name}: ${skipped}`);
        continue;
      }
      passed += 1;
      console.log(`ok    ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
    for (const context of launched.contexts()) await context.close();
  }
}
await close();
console.log(`${passed} passed, ${failed} failed; screenshots in ${folder}`);
process.exit(failed || passed === 0 ? 1 : 0);
