// A run as the Teacher draws it: the record that the server keeps, and the live events past its end.
import { getRun } from './api';
import { feed } from './feed.svelte';
import type { Finding, Metric, RunDetail, Sample } from './types';

/** A look at held-out text. */
export interface Look {
  step: number;
  tokens: number;
  seconds: number;
  bits_per_byte: number;
}

class Runs {
  private details = $state.raw<Record<string, RunDetail>>({});
  private errors = $state.raw<Record<string, unknown>>({});

  async load(name: string) {
    try {
      const detail = await getRun(name);
      this.details = { ...this.details, [name]: detail };
      this.errors = { ...this.errors, [name]: null };
    } catch (error) {
      this.errors = { ...this.errors, [name]: error };
    }
  }

  recipe(name: string): unknown {
    return this.details[name]?.recipe ?? null;
  }

  error(name: string): unknown {
    return this.errors[name] ?? null;
  }

  metrics(name: string): Metric[] {
    const kept = (this.details[name]?.metrics ?? []).filter((m) => Number.isFinite(m.loss));
    const last = kept.at(-1)?.step ?? -1;
    const live = (feed.loss[name] ?? []).filter((event) => event.step > last);
    return [...kept, ...live];
  }

  findings(name: string): Finding[] {
    return this.details[name]?.findings ?? [];
  }

  validation(name: string): Look[] {
    const byStep = new Map<number, Look>();
    const look = ({ step, tokens, seconds }: Omit<Look, 'bits_per_byte'>, bits_per_byte: number) =>
      byStep.set(step, { step, tokens, seconds, bits_per_byte });
    for (const m of this.details[name]?.metrics ?? []) {
      if (m.validation_bits_per_byte != null) look(m, m.validation_bits_per_byte);
    }
    for (const { step, bits_per_byte } of feed.validation[name] ?? []) {
      const at = feed.loss[name]?.findLast((event) => event.step === step);
      if (at) look(at, bits_per_byte);
    }
    return [...byStep.values()].sort((a, b) => a.step - b.step);
  }

  samples(name: string): Sample[] {
    const seen = new Set<string>();
    return [...(this.details[name]?.samples ?? []), ...(feed.samples[name] ?? [])].filter((sample) => {
      const key = `${sample.step}\n${sample.prompt}`;
      return !seen.has(key) && seen.add(key);
    });
  }
}

export const runs = new Runs();
