// A run as the Teacher draws it: the record that the server keeps, and the live events past its end.
import { getRun } from './api';
import { feed } from './feed.svelte';
import type { Metric, RunDetail, Sample } from './types';

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

  validation(name: string): { step: number; bits_per_byte: number }[] {
    const byStep = new Map<number, number>();
    for (const m of this.details[name]?.metrics ?? []) {
      if (m.validation_bits_per_byte != null) byStep.set(m.step, m.validation_bits_per_byte);
    }
    for (const event of feed.validation[name] ?? []) byStep.set(event.step, event.bits_per_byte);
    return [...byStep].sort((a, b) => a[0] - b[0]).map(([step, bits_per_byte]) => ({ step, bits_per_byte }));
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
