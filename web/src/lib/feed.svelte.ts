// The academy's events, gathered into what the pages draw. The server replays its history on each
// connection, so everything is forgotten when a connection opens.
import { app } from './app.svelte';
import type {
  FeedEvent,
  LossEvent,
  MessageEventData,
  ProgressEvent,
  SampleEvent,
  ScoreEvent,
  StageEvent,
  ValidationEvent,
} from './types';

const RETRY_MS = 3000;
const DRAW_MS = 150;
const MESSAGES = 200;

class Feed {
  connected = $state(false);
  stages = $state.raw<Record<string, StageEvent>>({});
  progress = $state.raw<Record<string, ProgressEvent>>({});
  loss = $state.raw<Record<string, LossEvent[]>>({});
  validation = $state.raw<Record<string, ValidationEvent[]>>({});
  samples = $state.raw<Record<string, SampleEvent[]>>({});
  scores = $state.raw<Record<string, ScoreEvent>>({});
  messages = $state.raw<MessageEventData[]>([]);
  /** Grows whenever a stage ends or a run begins: what was asked of the server may have changed. */
  epoch = $state(0);

  private pending: FeedEvent[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  start() {
    const source = new EventSource('/api/events');
    source.onopen = () => {
      this.reset();
      this.connected = true;
      void app.refresh();
    };
    source.onmessage = ({ data }: MessageEvent<string>) => {
      try {
        this.pending.push(JSON.parse(data) as FeedEvent);
      } catch {
        return; // not ours
      }
      // Events come in bursts (the history above all): drawn together.
      this.timer ??= setTimeout(() => this.flush(), DRAW_MS);
    };
    source.onerror = () => {
      this.connected = false;
      void app.refresh();
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      source.close();
      setTimeout(() => this.start(), RETRY_MS);
    };
  }

  private reset() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pending = [];
    this.stages = {};
    this.progress = {};
    this.loss = {};
    this.validation = {};
    this.samples = {};
    this.scores = {};
    this.messages = [];
  }

  private flush() {
    this.timer = undefined;
    const stages = { ...this.stages };
    const progress = { ...this.progress };
    const loss = new Grouped(this.loss);
    const validation = new Grouped(this.validation);
    const samples = new Grouped(this.samples);
    const scores = { ...this.scores };
    const messages = [...this.messages];
    let changed = false;
    for (const event of this.pending.splice(0)) {
      if (event.type === 'stage') {
        // A stage's words come with its start; its end may come without them.
        stages[event.name] = { ...stages[event.name], ...dropEmpty(event) };
        if (event.state !== 'start') delete progress[event.name];
        changed = true;
      } else if (event.type === 'progress') progress[event.stage] = event;
      else if (event.type === 'loss') changed = loss.push(event.run, event) || changed;
      else if (event.type === 'validation') validation.push(event.run, event);
      else if (event.type === 'sample') samples.push(event.run, event);
      else if (event.type === 'score') scores[event.task] = event;
      else if (event.type === 'message') messages.push(event);
    }
    this.stages = stages;
    this.progress = progress;
    this.loss = loss.groups;
    this.validation = validation.groups;
    this.samples = samples.groups;
    this.scores = scores;
    this.messages = messages.slice(-MESSAGES);
    if (changed) {
      this.epoch += 1;
      void app.refresh();
    }
  }
}

/** Lists by name; a list is copied once per flush, so that what was drawn before never changes. */
class Grouped<T extends { step: number }> {
  readonly groups: Record<string, T[]>;
  private readonly fresh = new Set<string>();

  constructor(groups: Record<string, T[]>) {
    this.groups = { ...groups };
  }

  /** Returns whether a list was begun. A step before the last one means that the run was resumed from there. */
  push(name: string, item: T): boolean {
    const begun = !this.groups[name];
    if (!this.fresh.has(name)) {
      this.groups[name] = [...(this.groups[name] ?? [])];
      this.fresh.add(name);
    }
    this.groups[name]?.push(item);
    return begun;
  }
}

function dropEmpty(event: StageEvent): StageEvent {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value != null)) as unknown as StageEvent;
}

export const feed = new Feed();
