// What the whole page shares: language, theme, route, and the server's status.
import { getStatus } from './api';
import type { Lang, Status } from './types';

export const PAGES = ['school', 'textbooks', 'tokens', 'teacher', 'inside', 'work', 'knowledge', 'scorecard', 'course'] as const;
export type Page = (typeof PAGES)[number];
export type Theme = 'system' | 'light' | 'dark';

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // private windows may refuse storage
  }
}

function store(key: string, value: string) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // the choice then lasts as long as the page
  }
}

function route(hash: string): [page: Page, part: string, item: string] {
  const [name, part = '', item = ''] = hash.replace(/^#\/?/, '').split('/');
  return [PAGES.find((page) => page === name) ?? 'school', part, item];
}

class App {
  lang = $state<Lang>('en');
  theme = $state<Theme>('system');
  page = $state<Page>('school');
  /** What comes after the page in the address: #/work/translate, #/course/3. */
  part = $state('');
  /** What comes after that: #/work/chat/12. */
  item = $state('');
  status = $state.raw<Status | null>(null);
  statusError = $state.raw<unknown>(null);

  start() {
    const lang = stored('lang');
    const chosen = lang === 'zh' || lang === 'en';
    this.lang = chosen ? lang : navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
    const theme = stored('theme');
    if (theme === 'light' || theme === 'dark') this.theme = theme;
    const go = () => ([this.page, this.part, this.item] = route(location.hash));
    go();
    addEventListener('hashchange', go);
    void this.refresh().then(() => {
      if (!chosen && this.status && stored('lang') === null) this.lang = this.status.lang === 'zh' ? 'zh' : 'en';
    });
  }

  async refresh() {
    try {
      this.status = await getStatus();
      this.statusError = null;
    } catch (error) {
      this.statusError = error;
    }
  }

  /** Says in the address what is shown already; the page stays as it is. */
  setItem(part: string, item: string) {
    history.replaceState(null, '', `#/${this.page}${item ? `/${part}/${item}` : ''}`);
    this.item = item;
  }

  setLang(lang: Lang) {
    this.lang = lang;
    store('lang', lang);
  }

  setTheme(theme: Theme) {
    this.theme = theme;
    store('theme', theme);
  }
}

export const app = new App();
