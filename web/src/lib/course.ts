// The course's chapters: docs/course, as it was when the page was built. Our own text, so it is shown as it is; HTML in it is not.
import { Marked, type Token, type Tokens } from 'marked';
import type { Page } from './app.svelte';
import type { Lang } from './types';

const FILES = import.meta.glob<string>('../../../docs/course/{zh,en}/[1-9]-*.md', { query: '?raw', import: 'default', eager: true });

/** A chapter as written in one language. */
export interface Chapter {
  number: number;
  title: string;
  /** Its first paragraph, as HTML. */
  lead: string;
  blocks: Token[];
}

/** The chapters that a page of the app belongs to; a page without is told of the whole course. */
export const CHAPTERS_OF: Record<Page, number[]> = {
  school: [],
  textbooks: [2],
  tokens: [1],
  teacher: [3, 4],
  inside: [8],
  work: [5, 7],
  knowledge: [],
  scorecard: [6],
  course: [],
};

/** The page on which a chapter can be seen at work. */
export function pageOf(chapter: number): Page {
  const found = Object.entries(CHAPTERS_OF).find(([, numbers]) => numbers.includes(chapter));
  return (found?.[0] as Page | undefined) ?? 'school';
}

const marked = new Marked({
  gfm: true,
  renderer: {
    html: () => '',
    link({ href, tokens }) {
      const chapter = /^(\d)-[\w-]+\.md$/.exec(href);
      return `<a href="${chapter ? `#/course/${chapter[1]}` : encodeURI(href)}">${this.parser.parseInline(tokens)}</a>`;
    },
  },
});

export const html = (block: Token) => marked.parser([block]);

function chapter(number: number, text: string): Chapter {
  const blocks = marked.lexer(text).filter((block) => block.type !== 'space');
  const [heading, lead, ...rest] = blocks as [Tokens.Heading, Tokens.Paragraph, ...Token[]];
  return {
    number,
    title: heading.text.replace(/^\d+\s+/, ''),
    lead: marked.parser(lead.tokens.length ? [lead] : []),
    blocks: rest,
  };
}

const read = new Map<Lang, Chapter[]>();

/** All chapters in a language, in order. */
export function chapters(lang: Lang): Chapter[] {
  let all = read.get(lang);
  if (!all) {
    all = Object.entries(FILES)
      .map(([path, text]) => ({ name: path.split('/').slice(-2), text }))
      .filter(({ name }) => name[0] === lang)
      .map(({ name, text }) => chapter(Number.parseInt(name[1] ?? '', 10), text))
      .sort((a, b) => a.number - b.number);
    read.set(lang, all);
  }
  return all;
}
