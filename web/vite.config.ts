import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

/** Tables by which pdf.js reads the characters of Chinese, Japanese and Korean files that do not bring their own. */
const cmaps: Plugin = {
  name: 'cmaps',
  apply: 'build',
  generateBundle() {
    const folder = 'node_modules/pdfjs-dist/cmaps';
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.bcmap'))) {
      this.emitFile({ type: 'asset', fileName: `cmaps/${name}`, source: readFileSync(`${folder}/${name}`) });
    }
  },
};

// The built app is one page, one script and one style sheet, embedded into the server binary; what shows PDF files is
// beside them, and is fetched when one is opened.
export default defineConfig({
  plugins: [svelte(), cmaps],
  base: './',
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0 },
  server: {
    fs: { allow: ['..'] }, // docs/course
    // The host stays as it is: without a key, the server answers its own pages only.
    proxy: Object.fromEntries(
      ['/api', '/v1', '/health'].map((path) => [
        path,
        { target: process.env.SHUYUAN_URL ?? 'http://127.0.0.1:8787', changeOrigin: false },
      ]),
    ),
  },
});
