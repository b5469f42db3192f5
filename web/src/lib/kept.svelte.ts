// The chat that the server keeps: saved when a question is sent and when its answer ends, opened again after a reload.
import { ApiError } from './api';
import { app } from './app.svelte';
import { Conversation, Settings } from './chat.svelte';
import {
  deleteConversation,
  listConversations,
  messagesOf,
  readConversation,
  saveConversation,
  saveLeaving,
  turnsOf,
  type Content,
  type Listing,
} from './conversations';
import { t } from './i18n';
import { Resource } from './resource.svelte';

/** A setting is saved once it has stood for so long. */
const SETTLED_MS = 800;

/** The list of what is kept. */
class Past {
  readonly list = new Resource<Listing>();
  text = $state('');
  limit = $state(12);

  load(): Promise<void> {
    return this.list.load((signal) => listConversations(this.text, this.limit, signal));
  }
}

export class KeptConversation extends Conversation {
  /** Null until it is kept. */
  id = $state<number | null>(null);
  /** Why it could not be saved. */
  unsaved = $state.raw<unknown>(null);
  /** Why what the address names could not be opened. */
  unopened = $state.raw<unknown>(null);
  /** What it was read or saved as. */
  private version = 0;
  private spoken = '';
  private saving: Promise<void> = Promise.resolve();
  private wanted: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Whether what is kept is no longer what this page has changed: another page saved it, or deleted it. */
  get overtaken(): boolean {
    return this.unsaved instanceof ApiError && [404, 409].includes(this.unsaved.status);
  }

  protected override asked() {
    this.unopened = null;
    void this.save();
  }

  protected override ended() {
    void this.save();
  }

  /** Saves it as it is once the saves before have ended. */
  save(): Promise<void> {
    return (this.saving = this.saving.then(() => this.put()));
  }

  /** What was overtaken begins anew, beside what is there. */
  saveAsNew(): Promise<void> {
    this.id = null;
    this.unsaved = null;
    app.setItem('chat', '');
    return this.save();
  }

  /** Told of each change of the settings. */
  settingsChanged(spoken: string) {
    clearTimeout(this.timer);
    if (this.id !== null && spoken !== this.spoken) this.timer = setTimeout(() => void this.save(), SETTLED_MS);
  }

  /** Opens what the address names. The newest wish wins. */
  async open(id: number): Promise<void> {
    this.wanted = id;
    if (!(await this.leave(id)) || this.wanted !== id) return;
    try {
      const found = await readConversation(id);
      if (this.wanted !== id) return;
      this.show(id, found.version, found);
    } catch (error) {
      if (this.wanted !== id) return;
      this.begin();
      this.unopened = error;
    }
  }

  /** A new one, with the settings that every one begins with. */
  async anew(): Promise<void> {
    this.wanted = null;
    if (await this.leave(null)) this.begin();
  }

  async remove(id: number): Promise<void> {
    if (id === this.id) {
      this.stop();
      await this.answered;
      await this.saving;
    }
    await deleteConversation(id);
    if (id === this.id) this.begin();
    await past.load();
  }

  /** The page goes away in the midst of an answer: what there is of it is kept. */
  leaving() {
    if (this.busy && this.id !== null && !this.overtaken) saveLeaving(this.id, this.version, this.content());
  }

  private content(): Content {
    return { model: this.settings.model, ...this.settings.spoken, messages: messagesOf(this.turns) };
  }

  private async put() {
    if (this.turns.length === 0 || this.overtaken) return;
    const spoken = JSON.stringify(this.settings.spoken);
    try {
      const info = await saveConversation(this.id, this.version, this.content());
      this.id = info.id;
      this.version = info.version;
      this.spoken = spoken;
      this.unsaved = null;
    } catch (error) {
      this.unsaved = error;
      return;
    }
    // Whoever looks at something else by now stays there.
    if (app.page === 'work' && ['', 'chat'].includes(app.part) && !app.item) app.setItem('chat', String(this.id));
    void past.load();
  }

  /** Ends what is under way; false if the person would rather stay with what could not be saved. */
  private async leave(next: number | null): Promise<boolean> {
    clearTimeout(this.timer);
    this.stop();
    await this.answered;
    await this.saving;
    if (this.unsaved === null || next === this.id || confirm(t('past.leave'))) return true;
    app.setItem('chat', this.id === null ? '' : String(this.id));
    return false;
  }

  private begin() {
    this.show(null, 0, { model: this.settings.model, messages: [] });
    if (app.page === 'work') app.setItem('chat', '');
  }

  private show(id: number | null, version: number, { model, messages, ...spoken }: Content) {
    const start = new Settings();
    for (const name of ['system', 'tools', 'temperature', 'top_p', 'max_tokens', 'seed'] as const) {
      Object.assign(this.settings, { [name]: spoken[name] ?? start[name] });
    }
    if (model) this.settings.model = model;
    this.spoken = JSON.stringify(this.settings.spoken);
    this.turns = turnsOf(messages);
    this.id = id;
    this.version = version;
    this.unsaved = null;
    this.unopened = null;
  }
}

// They outlive a turn of the page.
export const past = new Past();
export const chat = new KeptConversation();
