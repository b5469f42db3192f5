// Asks the server, and turns each refusal into an ApiError that carries the server's own words.
import type {
  ChatMessage,
  CorpusReport,
  Explained,
  Near,
  Report,
  RunDetail,
  RunSummary,
  Status,
  StreamToken,
  Tokenized,
  ToolCall,
  Usage,
} from './types';

/** What the server said no with. `status` 0: it could not be reached at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** What the server said no with. */
export async function failure(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code?: string | null } };
    return new ApiError(response.status, error.message, error.code ?? null);
  } catch {
    return new ApiError(response.status, text.slice(0, 300) || `HTTP ${response.status} ${response.statusText}`);
  }
}

export async function request(
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  method = body === undefined ? 'GET' : 'POST',
): Promise<Response> {
  const init: RequestInit = signal ? { method, signal } : { method };
  if (body !== undefined) {
    init.headers = { 'content-type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, cause instanceof Error ? cause.message : String(cause));
  }
  if (!response.ok) throw await failure(response);
  return response;
}

export async function json<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await request(path, body, signal)).json() as Promise<T>;
}

export const getStatus = () => json<Status>('/api/status');
export const getCorpus = () => json<CorpusReport>('/api/corpus');
export const getRuns = () => json<RunSummary[]>('/api/runs');
export const getRun = (name: string) => json<RunDetail>(`/api/runs/${encodeURIComponent(name)}`);
export const getReport = () => json<Report>('/api/report');
export const tokenize = (text: string, signal?: AbortSignal) => json<Tokenized>('/api/tokenize', { text }, signal);
export const explain = (text: string, signal?: AbortSignal) => json<Explained>('/api/explain', { text }, signal);
export const getNear = (word: string, k: number, signal?: AbortSignal) =>
  json<Near>(`/api/near?word=${encodeURIComponent(word)}&k=${k}`, undefined, signal);
export const setPrompt = async (text: string) => void (await request('/api/prompt', { text }));
export const teach = async (lines: string[], seconds: number) => void (await request('/api/teach', { lines, seconds }));
export const getModels = async () => (await json<{ data: { id: string }[] }>('/v1/models')).data.map((m) => m.id);

/** How many tokens a model reads at once; null while it is not in memory. */
export const getContext = async (model: string) =>
  (await json<{ context_length?: number }>(`/v1/models/${encodeURIComponent(model)}`)).context_length ?? null;

export interface ChatRequest {
  model: string;
  /** As in OpenAI's API. */
  tools?: unknown;
  messages: ChatMessage[];
  temperature: number;
  top_p: number;
  max_tokens: number;
  seed?: number;
  /** Ids that begin the assistant's answer: how one goes on from another token. */
  continue_ids?: number[];
}

interface Delta {
  content?: string | null;
  reasoning_content?: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

interface Chunk {
  error?: { message: string };
  choices?: {
    delta?: Delta;
    logprobs?: { content?: StreamToken[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
}

/** What a chunk adds to an answer. */
export interface Addition {
  text: string;
  thought: string;
  calls: ToolCall[];
  /** The tokens of the text, not of the thought. */
  tokens: StreamToken[];
}

/** Streams an answer. Calls `onChunk` with each addition; returns why it ended and what it used. */
export async function streamChat(
  chat: ChatRequest,
  signal: AbortSignal,
  onChunk: (addition: Addition) => void,
): Promise<{ finish: string; usage: Usage | null }> {
  const body = { ...chat, stream: true, stream_options: { include_usage: true }, logprobs: true, top_logprobs: 8 };
  const response = await request('/v1/chat/completions', body, signal);
  if (!response.body) throw new ApiError(response.status, 'the answer has no body');
  let finish = 'stop';
  let usage: Usage | null = null;
  for await (const { data } of serverSent(response.body)) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new ApiError(200, chunk.error.message);
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices ?? []) {
      const delta = choice.delta ?? {};
      const thinks = delta.reasoning_content != null && !delta.content;
      const addition: Addition = {
        text: delta.content ?? '',
        thought: delta.reasoning_content ?? '',
        calls: (delta.tool_calls ?? []).map((call) => call.function),
        tokens: thinks ? [] : (choice.logprobs?.content ?? []),
      };
      if (addition.text || addition.thought || addition.calls.length || addition.tokens.length) onChunk(addition);
      if (choice.finish_reason) finish = choice.finish_reason;
    }
  }
  return { finish, usage };
}

/** The events of a server-sent-event body, whatever way the bytes were cut. */
export async function* serverSent(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      pending += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const blocks = pending.split(/\r?\n\r?\n/);
      pending = done ? '' : (blocks.pop() ?? '');
      for (const block of blocks) {
        const lines = block.split(/\r?\n/);
        const field = (name: string) =>
          lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart());
        const data = field('data').join('\n');
        if (data) yield { event: field('event')[0] ?? 'message', data };
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
