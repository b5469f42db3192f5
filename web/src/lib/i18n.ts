// The words of the page in the chosen language. A word that one language lacks does not compile.
import { app } from './app.svelte';
import { en } from './words/en';
import { zh } from './words/zh';

export type Word = keyof typeof en;
const words: Record<'zh' | 'en', Record<Word, string>> = { zh, en };

/** The word in the language shown; `{name}` is filled in from `values`. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return words[app.lang][word].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** As `t`, for names that come from the server (tasks, stages, reasons): unknown ones are shown as they are. */
export function named(prefix: string, name: string): string {
  const word = `${prefix}.${name}`;
  return word in en ? t(word as Word) : name.replaceAll('_', ' ');
}
