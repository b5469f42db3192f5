// A conversation: sent, streamed, stopped, asked again, edited, and gone on with from another token.
import { streamChat, type ChatRequest } from './api';
import { app } from './app.svelte';
import { pieces } from './pieces';
import type { Alternative, ChatMessage, StreamToken } from './types';

export interface Answer {
  text: string;
  tokens: StreamToken[];
  state: 'streaming' | 'done' | 'length' | 'stopped' | 'failed';
  error: unknown;
  /** Where another token was chosen than the model's, if one was. */
  branch: number | null;
}

export interface Turn {
  question: string;
  answer: Answer;
}

/** How the model speaks; one setting for all trades. */
class Settings {
  model = $state<string | null>(null);
  temperature = $state(0.3);
  top_p = $state(0.95);
  max_tokens = $state(160);
  seed = $state<number | null>(null);
}

export const settings = new Settings();

export class Conversation {
  turns = $state.raw<Turn[]>([]);
  busy = $state(false);
  private controller: AbortController | null = null;

  /** `over` replaces single settings: a trade with one right answer asks at temperature 0. */
  constructor(private readonly over: Partial<ChatRequest> = {}) {}

  send(question: string): Promise<void> {
    return this.answer(this.turns.length, question);
  }

  again(turn: number): Promise<void> {
    return this.answer(turn, this.turns[turn]?.question ?? '');
  }

  edit(turn: number, question: string): Promise<void> {
    return this.answer(turn, question);
  }

  /** Keeps the answer before token `place`, puts `other` there, and lets the model go on. */
  goOn(turn: number, place: number, other: Alternative): Promise<void> {
    const old = this.turns[turn];
    if (!old) return Promise.resolve();
    const chosen: StreamToken = { ...other, top_logprobs: old.answer.tokens[place]?.top_logprobs ?? [] };
    const kept = this.withOriginal(old.answer.tokens[place], chosen);
    return this.answer(turn, old.question, [...old.answer.tokens.slice(0, place), kept], place);
  }

  stop() {
    this.controller?.abort();
  }

  clear() {
    this.stop();
    this.turns = [];
  }

  /** The token that stood there stays among the alternatives, even when it was not one of the top ones. */
  private withOriginal(original: StreamToken | undefined, chosen: StreamToken): StreamToken {
    if (!original || chosen.top_logprobs.some((t) => t.id === original.id)) return chosen;
    const { top_logprobs: _, ...plain } = original;
    return { ...chosen, top_logprobs: [...chosen.top_logprobs, plain] };
  }

  private async answer(turn: number, question: string, prefix: StreamToken[] = [], branch: number | null = null) {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    const earlier = this.turns.slice(0, turn);
    const start = pieces(prefix).join('');
    let answer: Answer = { text: start, tokens: prefix, state: 'streaming', error: null, branch };
    const show = (change: Partial<Answer>) => {
      answer = { ...answer, ...change };
      if (this.controller === controller) this.turns = [...earlier, { question, answer }];
    };
    show({});
    this.busy = true;
    const messages: ChatMessage[] = [
      ...earlier.flatMap((t): ChatMessage[] => [
        { role: 'user', content: t.question },
        { role: 'assistant', content: t.answer.text },
      ]),
      { role: 'user', content: question },
    ];
    try {
      const request: ChatRequest = {
        model: settings.model ?? app.status?.model ?? 'academy',
        messages,
        temperature: settings.temperature,
        top_p: settings.top_p,
        max_tokens: settings.max_tokens,
        ...(settings.seed === null ? {} : { seed: settings.seed }),
        ...this.over,
        ...(prefix.length ? { continue_ids: prefix.map((t) => t.id) } : {}),
      };
      const finish = await streamChat(request, controller.signal, (text, tokens) =>
        show({ text: answer.text + text, tokens: [...answer.tokens, ...tokens] }),
      );
      show({ state: finish === 'length' ? 'length' : 'done' });
    } catch (error) {
      if (controller.signal.aborted) show({ state: 'stopped' });
      else show({ state: 'failed', error });
    }
    if (this.controller === controller) {
      this.controller = null;
      this.busy = false;
    }
  }
}

// They outlive a turn of the page.
export const chat = new Conversation();
export const translation = new Conversation({ temperature: 0, max_tokens: 120 });
export const summary = new Conversation({ temperature: 0, max_tokens: 120 });
export const reading = new Conversation({ temperature: 0, max_tokens: 120 });
