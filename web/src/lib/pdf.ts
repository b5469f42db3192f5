// pdf.js, fetched when the first PDF is opened.
import type { PDFDocumentProxy, PDFPageProxy } from 'pdfjs-dist';
import { ApiError, failure } from './api';

const load = async () => {
  const [pdfjs, worker] = await Promise.all([
    import('pdfjs-dist'),
    import('pdfjs-dist/build/pdf.worker.min.mjs?url'),
  ]);
  pdfjs.GlobalWorkerOptions.workerSrc = worker.default;
  return pdfjs;
};
let loading: ReturnType<typeof load> | undefined;
const library = () => (loading ??= load());

export type { PDFDocumentProxy, PDFPageProxy };

/** Fetches and opens a file. What the server refuses is told in its words. */
export async function openPdf(address: string, signal: AbortSignal): Promise<PDFDocumentProxy> {
  const response = await fetch(address, { signal });
  if (!response.ok) throw await failure(response);
  const data = await response.arrayBuffer();
  const pdfjs = await library();
  if (signal.aborted) throw new ApiError(0, 'closed');
  const cMapUrl = new URL(import.meta.env.DEV ? '/node_modules/pdfjs-dist/cmaps/' : './cmaps/', location.href).href;
  return pdfjs.getDocument({ data, cMapUrl, cMapPacked: true, useWasm: false, isEvalSupported: false }).promise;
}

/** Draws a page `width` pixels wide into `canvas`, and its text, invisible, over it; returns the spans of the text. */
export async function drawPage(page: PDFPageProxy, width: number, canvas: HTMLCanvasElement, layer: HTMLElement): Promise<HTMLElement[]> {
  const pdfjs = await library();
  const plain = page.getViewport({ scale: 1 });
  const viewport = page.getViewport({ scale: width / plain.width });
  const dots = Math.min(2, devicePixelRatio || 1);
  canvas.width = Math.floor(viewport.width * dots);
  canvas.height = Math.floor(viewport.height * dots);
  await page.render({ canvas, viewport, transform: [dots, 0, 0, dots, 0, 0] }).promise;
  layer.replaceChildren();
  layer.style.setProperty('--total-scale-factor', String(viewport.scale));
  const text = new pdfjs.TextLayer({ textContentSource: await page.getTextContent(), container: layer, viewport });
  await text.render();
  return text.textDivs;
}

/** Letters and digits as they are compared: a page breaks lines and splits words otherwise than a text that was read. */
function letters(text: string): string[] {
  return Array.from(text.normalize('NFKC').toLowerCase()).filter((c) => /[\p{L}\p{N}]/u.test(c));
}

/** Where a page stands to the one that is cited: a quote may begin on the page before, or go on on the next. */
export type Beside = 'before' | 'cited' | 'after';

/** The spans that hold `quote`, or its part on this page; none if it is not there. */
export function spansOf(spans: HTMLElement[], quote: string, beside: Beside): HTMLElement[] {
  const wanted = letters(quote).join('');
  if (!wanted) return [];
  let whole = '';
  const ends = spans.map((span) => (whole += letters(span.textContent ?? '').join('')).length);
  const [begin, end] = stretch(whole, wanted, beside);
  return spans.filter((_, i) => (ends[i] ?? 0) > begin && (ends[i - 1] ?? 0) < end);
}

/** Fewer letters at a page's edge may be there by chance. */
const EDGE = 12;
/** The same for the beginning of a quote in the midst of a page. */
const BEGINNING = 24;

function stretch(whole: string, wanted: string, beside: Beside): [begin: number, end: number] {
  if (beside === 'cited') {
    const begin = whole.indexOf(wanted);
    if (begin >= 0) return [begin, begin + wanted.length];
  }
  for (let n = wanted.length - 1; n >= EDGE; n -= 1) {
    if (beside !== 'after' && whole.endsWith(wanted.slice(0, n))) return [whole.length - n, whole.length];
    if (beside !== 'before' && whole.startsWith(wanted.slice(-n))) return [0, n];
  }
  // A line that the text has and the page has not: as much of the beginning as is there.
  for (let n = wanted.length - 1; beside === 'cited' && n >= BEGINNING; n = Math.floor(n * 0.8)) {
    const begin = whole.indexOf(wanted.slice(0, n));
    if (begin >= 0) return [begin, begin + n];
  }
  return [0, 0];
}
