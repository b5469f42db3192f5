// A conversation as a file to keep.
import type { Conversation } from './chat.svelte';
import { messagesOf } from './conversations';

/** Everything, for programs: OpenAI's messages and the settings. */
export function asJson(chat: Conversation): string {
  const { model, system, temperature, top_p, max_tokens, seed } = chat.settings;
  const messages = messagesOf(chat.turns);
  const first = system.trim() ? [{ role: 'system', content: system.trim() }] : [];
  return JSON.stringify({ model, settings: { temperature, top_p, max_tokens, seed }, messages: [...first, ...messages] }, null, 2);
}

/** For people, under the names that the page gives the speakers. */
export function asMarkdown(chat: Conversation, names: { you: string; it: string; thought: string; system: string }): string {
  const quoted = (text: string) => text.trim().split('\n').map((line) => `> ${line}`.trimEnd()).join('\n');
  const code = (text: string) => {
    const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
    const fence = '`'.repeat(longest + 1);
    return `${fence}json\n${text}\n${fence}`;
  };
  const parts = chat.settings.system.trim() ? [`## ${names.system}`, chat.settings.system.trim()] : [];
  for (const { question, answer } of chat.turns) {
    parts.push(`## ${names.you}`, question, `## ${names.it}`);
    if (answer.thought.trim()) parts.push(`**${names.thought}**`, quoted(answer.thought));
    if (answer.text.trim()) parts.push(answer.text.trim());
    for (const call of answer.calls) parts.push(code(JSON.stringify(call)));
  }
  return [`# ${chat.settings.model ?? ''}`.trim(), ...parts].join('\n\n') + '\n';
}

/** Hands a text to the browser as a file. */
export function download(name: string, kind: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
