// One written character for each lesson, the same in both languages.
import type { Page } from './app.svelte';

export const GLYPHS: Record<Page, string> = {
  school: '校',
  textbooks: '书',
  tokens: '词',
  teacher: '师',
  inside: '观',
  work: '业',
  knowledge: '知',
  scorecard: '榜',
  course: '讲',
};

/** Chinese numerals for the numbers of lessons and chapters. */
export const NUMERALS = ['一', '二', '三', '四', '五', '六', '七', '八'];
