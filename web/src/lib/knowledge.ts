// The knowledge base: what the server says of it, and how it is asked.
import { ApiError, failure, json, request, serverSent } from './api';
import { t } from './i18n';

export type Health = 'new' | 'fresh' | 'stale' | 'failed';

export interface Source {
  name: string;
  kind: string;
  documents: number;
  health: Health;
  /** Seconds since it was last read to its end. */
  age_seconds: number | null;
  /** The rest is the owner's. */
  path?: string | null;
  groups?: string[] | null;
  items?: number;
  failures?: number;
  state?: { tried: number | null; synced: number | null; error: string | null; drift: string[] };
}

export interface KnowledgeState {
  sources: Source[];
  documents: number;
  chunks: number;
  embedder: string | null;
  mode: 'words' | 'hybrid';
  syncing: boolean;
  reader: { owner: boolean; groups: string[] | null };
  failures?: number;
  bytes?: number;
  /** Kept where other servers use it too. */
  shared?: boolean;
}

export interface DocumentInfo {
  id: number;
  source: string;
  item: string;
  inner: string;
  title: string;
  format: string;
  date: string | null;
  tags: string[];
  url: string | null;
  notes: string[];
  groups: string[];
  chunks: number;
  characters: number;
  pages: number[];
}

export interface Piece {
  slot: number;
  start: number;
  end: number;
  page: number | null;
  context: string;
  tokens: number;
}

export interface DocumentText extends DocumentInfo {
  text: string;
  pieces: Piece[];
}

export interface Why {
  words: number;
  words_rank: number | null;
  shares: [word: string, share: number][];
  cosine: number | null;
  vector_rank: number | null;
}

export interface Place {
  document: number;
  title: string;
  start: number;
  end: number;
}

export interface Passage {
  document: DocumentInfo;
  slot: number;
  chunks: number;
  start: number;
  end: number;
  page: number | null;
  context: string;
  text: string;
  score: number;
  why: Why;
  also: Place[];
}

export interface Found {
  mode: 'words' | 'hybrid';
  passages: Passage[];
  searched: number;
}

export interface Filter {
  source?: string;
  formats?: string[];
  after?: string;
  before?: string;
}

/** A live source that was asked. */
export interface Call {
  source: string;
  arguments: Record<string, string | number | boolean>;
  /** Seconds since 1970. */
  fetched: number | null;
  cached: boolean;
  rows: number;
  more: boolean;
  error: string | null;
  passage: number | null;
}

export interface Citation {
  passage: number;
  /** Which of the answer's calls gave it; none for a document. */
  call: number | null;
  document: number;
  title: string;
  page: number | null;
  start: number;
  end: number;
  quote: string;
  overlap: number;
  gain: number | null;
}

export interface Answer {
  found: boolean;
  text: string;
  sentences: { text: string; citations: Citation[] }[];
  dropped: string[];
  withheld: string[];
  read: number;
  written: boolean;
  calls: Call[];
}

export interface Passages {
  mode: 'words' | 'hybrid';
  searched: string;
  /** Who made a question stand alone that leans on the one before it. */
  by: 'model' | 'rule' | null;
  model: string | null;
  passages: Passage[];
}

export interface Failure {
  source: string;
  item: string;
  inner: string;
  reason: string;
}

export interface Uploaded {
  name: string;
  bytes: number;
  documents: DocumentInfo[];
  failures: Failure[];
}

export interface MapPoint {
  id: number;
  title: string;
  source: string;
  format: string;
  x: number;
  y: number;
}

export interface DocumentMap {
  points: MapPoint[];
  of: number;
  by: 'vectors' | 'words';
}

export interface NearDocument {
  id: number;
  title: string;
  source: string;
  format: string;
  cosine: number;
}

/** A place to open: a document and, in its characters, what to look at. */
export interface Target {
  id: number;
  start?: number;
  end?: number;
  page?: number | null;
  quote?: string;
}

const query = (values: Record<string, string | number | undefined>) => {
  const filled = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return new URLSearchParams(filled.map(([name, value]) => [name, String(value)])).toString();
};

export const getKnowledge = (signal?: AbortSignal) => json<KnowledgeState>('/api/kb', undefined, signal);
export const search = (body: { query: string; limit: number; filter?: Filter; words_only: boolean }, signal?: AbortSignal) =>
  json<Found>('/api/kb/search', body, signal);
export const getDocuments = (which: { skip: number; limit: number; source?: string }, signal?: AbortSignal) =>
  json<{ total: number; documents: DocumentInfo[] }>(`/api/kb/documents?${query(which)}`, undefined, signal);
export const getDocument = (id: number, signal?: AbortSignal) => json<DocumentText>(`/api/kb/documents/${id}`, undefined, signal);
export const getFailures = (signal?: AbortSignal) => json<{ total: number; failures: Failure[] }>('/api/kb/failures', undefined, signal);
export const getMap = (signal?: AbortSignal) => json<DocumentMap>('/api/kb/map', undefined, signal);
export const getNear = (id: number, signal?: AbortSignal) => json<{ neighbours: NearDocument[] }>(`/api/kb/near/${id}`, undefined, signal);
export const addSource = (body: { path: string; groups: string[]; tags: string[] }) => json<{ name: string }>('/api/kb/sources', body);
export const sync = async (source?: string) => void (await request('/api/kb/sync', source ? { source } : {}));
export const originalOf = (id: number) => `/api/kb/documents/${id}/original`;

async function remove(path: string) {
  const response = await fetch(path, { method: 'DELETE' });
  if (!response.ok) throw await failure(response);
}

export const removeDocument = (id: number) => remove(`/api/kb/documents/${id}`);
export const removeUpload = (name: string) => remove(`/api/kb/upload?${query({ name })}`);
export const removeSource = (name: string) => remove(`/api/kb/sources/${encodeURIComponent(name)}`);

/** Sends a file; tells the share that has been sent. `fetch` cannot tell it. */
export function upload(file: File, onsent: (share: number) => void): Promise<Uploaded> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', `/api/kb/upload?${query({ name: file.name })}`);
    sending.upload.onprogress = ({ loaded, total }) => onsent(total ? loaded / total : 1);
    sending.onerror = () => reject(new ApiError(0, 'the file was not sent'));
    sending.onload = () => {
      if (sending.status === 200) return resolve(JSON.parse(sending.responseText) as Uploaded);
      void failure(new Response(sending.responseText, { status: sending.status })).then(reject);
    };
    sending.send(file);
  });
}

export interface Question {
  question: string;
  before?: string;
  answered?: string;
  quote?: boolean;
  filter?: Filter;
}

/** Asks; tells the passages, then the draft as it is written. */
export async function ask(
  body: Question,
  signal: AbortSignal,
  on: { passages: (found: Passages) => void; draft: (text: string) => void },
): Promise<Answer> {
  const response = await request('/api/kb/ask', body, signal);
  if (!response.body) throw new ApiError(response.status, 'the answer has no body');
  for await (const { event, data } of serverSent(response.body)) {
    const value: unknown = JSON.parse(data);
    if (event === 'passages') on.passages(value as Passages);
    else if (event === 'draft') on.draft((value as { text: string }).text);
    else if (event === 'answer') return value as Answer;
    else if (event === 'error') throw new ApiError(200, (value as { error: { message: string } }).error.message);
  }
  throw new ApiError(200, 'the answer broke off');
}

/** Which numbers the citations of an answer have: the same place has one. */
export function numbered(answer: Answer): { sources: Citation[]; of: (citation: Citation) => number } {
  const key = ({ document, call, start, end }: Citation) => `${document} ${call} ${start} ${end}`;
  const sources: Citation[] = [];
  const numbers = new Map<string, number>();
  for (const citation of answer.sentences.flatMap((sentence) => sentence.citations)) {
    if (numbers.has(key(citation))) continue;
    sources.push(citation);
    numbers.set(key(citation), sources.length);
  }
  return { sources, of: (citation) => numbers.get(key(citation)) ?? 0 };
}

/** The source of uploaded files. */
export const UPLOADS = 'uploads';
/** The source that every base begins with: the course of this book. */
export const COURSE = 'course';

/** What people call a source. */
export const sourceName = (name: string) => (name === UPLOADS ? t('kb.uploads') : name === COURSE ? t('kb.course') : name);

/** What was asked of a live source: its name and the values. */
export function written({ source, arguments: values }: Call): string {
  return `${source}(${Object.entries(values).map(([name, value]) => `${name}=${value}`).join(', ')})`;
}

/** Where a passage or document stands, in a line. */
export function placeOf(document: DocumentInfo): string {
  const inner = document.inner ? ` › ${document.inner}` : '';
  return `${sourceName(document.source)}: ${document.item}${inner}`;
}
