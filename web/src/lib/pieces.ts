// Tokens as text to show. A character may be spread over several tokens: it is shown at the one that completes it.
import type { Alternative, StreamToken } from './types';

/** The text of each token, so that all of them joined are the text that their bytes spell. */
export function pieces(tokens: Alternative[]): string[] {
  const decoder = new TextDecoder();
  return tokens.map((token, i) => {
    if (!token.bytes) return token.token;
    return decoder.decode(new Uint8Array(token.bytes), { stream: i < tokens.length - 1 });
  });
}

/** Special tokens (the end of an answer, above all) can be told apart from what can be said. */
export const isSpecial = (token: Alternative) => /^<\|.*\|>$/.test(token.token);

export const probability = (token: Alternative) => Math.exp(token.logprob);

/** The alternatives at a place, likeliest first, with the token that was taken among them. */
export function choices(token: StreamToken): Alternative[] {
  const others = token.top_logprobs.filter((other) => other.id !== token.id);
  return [...others, token].sort((a, b) => b.logprob - a.logprob);
}
