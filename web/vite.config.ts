import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The built app is one page, one script and one style sheet, embedded into the server binary.
export default defineConfig({
  plugins: [svelte()],
  base: './',
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0 },
  server: {
    fs: { allow: ['..'] }, // docs/course
    proxy: Object.fromEntries(
      ['/api', '/v1', '/health'].map((path) => [path, process.env.SHUYUAN_URL ?? 'http://127.0.0.1:8787']),
    ),
  },
});
