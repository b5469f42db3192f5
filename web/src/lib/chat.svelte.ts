// A conversation: sent, streamed, stopped, asked again, edited, and gone on with from another token.
import { getContext, streamChat, type ChatRequest } from './api';
import { app } from './app.svelte';
import { t } from './i18n';
import { pieces } from './pieces';
import type { Alternative, ChatMessage, StreamToken, ToolCall } from './types';

export interface Answer {
  text: string;
  tokens: StreamToken[];
  state: 'streaming' | 'done' | 'length' | 'stopped' | 'failed';
  error: unknown;
  /** What it thought before it spoke. */
  thought: string;
  calls: ToolCall[];
  /** Null until it is done. */
  cost: Cost | null;
  /** Where another token was chosen than the model's, if one was. */
  branch: number | null;
}

/** What an answer took. */
export interface Cost {
  /** From the first token to the last. */
  tokensPerSecond: number | null;
  /** Tokens of the prompt and the answer. */
  used: number;
  /** What the model reads at once, if that is known. */
  context: number | null;
}

export interface Turn {
  question: string;
  answer: Answer;
}

/** What is set of how a model speaks. */
export interface Spoken {
  system: string;
  tools: string;
  temperature: number;
  top_p: number;
  max_tokens: number;
  seed: number | null;
}

/** How the model speaks in one conversation. */
export class Settings {
  model = $state<string | null>(null);
  system = $state('');
  /** Tools as JSON text; empty: none. */
  tools = $state('');
  temperature = $state(0.3);
  top_p = $state(0.95);
  max_tokens = $state(160);
  seed = $state<number | null>(null);

  constructor(start: Partial<Spoken> = {}) {
    Object.assign(this, start);
  }

  /** All but the model. */
  get spoken(): Spoken {
    const { system, tools, temperature, top_p, max_tokens, seed } = this;
    return { system, tools, temperature, top_p, max_tokens, seed };
  }
}

function toolsOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${t('work.tools')}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export class Conversation {
  turns = $state.raw<Turn[]>([]);
  busy = $state(false);
  /** Settled once the answer under way has ended. */
  protected answered: Promise<void> = Promise.resolve();
  private controller: AbortController | null = null;

  /** A trade with one right answer asks at temperature 0. */
  constructor(readonly settings = new Settings()) {}

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

  /** A question stands there, and its answer begins. */
  protected asked(): void {}

  /** An answer has ended, or was cut off. */
  protected ended(): void {}

  /** The token that stood there stays among the alternatives, even when it was not one of the top ones. */
  private withOriginal(original: StreamToken | undefined, chosen: StreamToken): StreamToken {
    if (!original || chosen.top_logprobs.some((t) => t.id === original.id)) return chosen;
    const { top_logprobs: _, ...plain } = original;
    return { ...chosen, top_logprobs: [...chosen.top_logprobs, plain] };
  }

  private answer(turn: number, question: string, prefix: StreamToken[] = [], branch: number | null = null): Promise<void> {
    return (this.answered = this.write(turn, question, prefix, branch));
  }

  private async write(turn: number, question: string, prefix: StreamToken[], branch: number | null) {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    const earlier = this.turns.slice(0, turn);
    const start = pieces(prefix).join('');
    let answer: Answer = {
      text: start,
      tokens: prefix,
      state: 'streaming',
      error: null,
      thought: '',
      calls: [],
      cost: null,
      branch,
    };
    const show = (change: Partial<Answer>) => {
      answer = { ...answer, ...change };
      if (this.controller === controller) this.turns = [...earlier, { question, answer }];
    };
    show({});
    this.busy = true;
    this.asked();
    const settings = this.settings;
    const system = settings.system.trim();
    const messages: ChatMessage[] = [
      ...(system ? [{ role: 'system', content: system } as const] : []),
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
        ...(settings.tools.trim() ? { tools: toolsOf(settings.tools) } : {}),
        ...(prefix.length ? { continue_ids: prefix.map((t) => t.id) } : {}),
      };
      let first = 0;
      const { finish, usage } = await streamChat(request, controller.signal, (more) => {
        first ||= performance.now();
        show({
          text: answer.text + more.text,
          thought: answer.thought + more.thought,
          calls: [...answer.calls, ...more.calls],
          tokens: [...answer.tokens, ...more.tokens],
        });
      });
      const seconds = (performance.now() - first) / 1000;
      show({ state: finish === 'length' ? 'length' : 'done' });
      if (usage) {
        // The first token came before the clock began.
        const timed = usage.completion_tokens - 1;
        const cost = {
          tokensPerSecond: first && timed > 0 && seconds > 0 ? timed / seconds : null,
          used: usage.prompt_tokens + usage.completion_tokens,
        };
        show({ cost: { ...cost, context: await getContext(request.model).catch(() => null) } });
      }
    } catch (error) {
      if (controller.signal.aborted) show({ state: 'stopped' });
      else show({ state: 'failed', error });
    }
    if (this.controller === controller) {
      this.controller = null;
      this.busy = false;
      this.ended();
    }
  }
}

// They outlive a turn of the page.
export const translation = new Conversation(new Settings({ temperature: 0, max_tokens: 120 }));
export const summary = new Conversation(new Settings({ temperature: 0, max_tokens: 120 }));
export const reading = new Conversation(new Settings({ temperature: 0, max_tokens: 120 }));
