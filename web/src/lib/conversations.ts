// Conversations as the server keeps them: OpenAI's messages, each answer with how it ended.
import { json, request } from './api';
import type { Answer, Spoken, Turn } from './chat.svelte';

export interface ConversationInfo {
  id: number;
  title: string;
  /** Grows with each save: a save names the one that it has changed. */
  version: number;
  /** Seconds since 1970. */
  created: number;
  changed: number;
}

interface Message {
  role: 'user' | 'assistant' | 'system' | 'tool';
  content: string;
  reasoning_content?: string;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  /** None: the answer was cut off. */
  finish_reason?: string;
}

export interface Content extends Partial<Spoken> {
  model?: string | null;
  messages: Message[];
}

export interface Listing {
  total: number;
  conversations: ConversationInfo[];
}

const ROOT = '/api/conversations';

export const listConversations = (text: string, limit: number, signal?: AbortSignal) =>
  json<Listing>(`${ROOT}?text=${encodeURIComponent(text)}&limit=${limit}`, undefined, signal);
export const readConversation = (id: number) => json<ConversationInfo & Content>(`${ROOT}/${id}`);
export const renameConversation = async (id: number, title: string) =>
  void (await request(`${ROOT}/${id}`, { title }, undefined, 'PATCH'));
export const deleteConversation = async (id: number) => void (await request(`${ROOT}/${id}`, undefined, undefined, 'DELETE'));

/** A new one without an id; otherwise in the place of its `version`. */
export async function saveConversation(id: number | null, version: number, content: Content): Promise<ConversationInfo> {
  if (id === null) return json<ConversationInfo>(ROOT, content);
  const response = await request(`${ROOT}/${id}`, { version, ...content }, undefined, 'PUT');
  return response.json() as Promise<ConversationInfo>;
}

/** The same while the page goes away: nobody hears whether it was kept. */
export function saveLeaving(id: number, version: number, content: Content) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ version, ...content });
  void fetch(`${ROOT}/${id}`, { method: 'PUT', headers, body, keepalive: true }).catch(() => undefined);
}

const REASONS: Partial<Record<Answer['state'], string>> = { done: 'stop', length: 'length' };

/** An answer that has not begun is no message yet. */
export function messagesOf(turns: Turn[]): Message[] {
  return turns.flatMap(({ question, answer }): Message[] => {
    const reason = REASONS[answer.state];
    const asked: Message = { role: 'user', content: question };
    if (!reason && !answer.text && !answer.thought && answer.calls.length === 0) return [asked];
    const calls = answer.calls.map((call, i) => ({ id: `call_${i}`, type: 'function' as const, function: call }));
    return [
      asked,
      {
        role: 'assistant',
        content: answer.text,
        ...(answer.thought ? { reasoning_content: answer.thought } : {}),
        ...(calls.length ? { tool_calls: calls } : {}),
        ...(reason ? { finish_reason: reason } : {}),
      },
    ];
  });
}

/** What the tokens could have been instead is not kept. */
export function turnsOf(messages: Message[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.role === 'user') turns.push({ question: message.content, answer: answerOf({ role: 'assistant', content: '' }) });
    const last = turns.at(-1);
    if (message.role === 'assistant' && last) last.answer = answerOf(message);
  }
  return turns;
}

function answerOf(message: Message): Answer {
  const reason = message.finish_reason;
  return {
    text: message.content,
    thought: message.reasoning_content ?? '',
    calls: (message.tool_calls ?? []).map((call) => call.function),
    state: reason === undefined ? 'stopped' : reason === 'length' ? 'length' : 'done',
    tokens: [],
    error: null,
    cost: null,
    branch: null,
  };
}
