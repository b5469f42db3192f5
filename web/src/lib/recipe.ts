// The settings of a run as lines of text, by the sections of its TOML file.

export interface Section {
  name: string;
  entries: [name: string, value: string][];
}

const isTable = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);
// Six digits are what anyone wrote; the rest is how machines keep them.
const digits = (_: string, v: unknown) => (typeof v === 'number' ? Number(v.toPrecision(6)) : v);
const show = (v: unknown) => (typeof v === 'string' ? v : JSON.stringify(v, digits));

/** Nested tables become sections named by their path. */
export function sections(recipe: unknown, path = ''): Section[] {
  if (!isTable(recipe)) return [];
  const entries = Object.entries(recipe)
    .filter(([, v]) => !isTable(v) && v !== null)
    .map(([k, v]): [string, string] => [k, show(v)]);
  const nested = Object.entries(recipe).flatMap(([k, v]) => sections(v, path ? `${path}.${k}` : k));
  return [...(entries.length ? [{ name: path, entries }] : []), ...nested];
}

export interface Line {
  name: string;
  /** One for each recipe; null where it does not say. */
  values: (string | null)[];
}

/** Recipes beside each other: a line for each setting that any of them has, in the order of the first that has it. */
export function beside(recipes: unknown[]): { different: Line[]; same: Line[] } {
  const maps = recipes.map(
    (recipe) => new Map(sections(recipe).flatMap((s) => s.entries.map(([k, v]) => [s.name ? `${s.name}.${k}` : k, v] as const))),
  );
  const names = [...new Set(maps.flatMap((map) => [...map.keys()]))];
  const lines = names.map((name) => ({ name, values: maps.map((map) => map.get(name) ?? null) }));
  const differs = (line: Line) => line.values.some((value) => value !== line.values[0]);
  return { different: lines.filter(differs), same: lines.filter((line) => !differs(line)) };
}
