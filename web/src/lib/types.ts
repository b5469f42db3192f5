// The JSON that the server speaks, field by field. Nothing here runs.

export type Lang = 'zh' | 'en';
export type StageName = 'corpus' | 'tokenizer' | 'pretrain' | 'finetune' | 'eval' | 'serve';

export interface Hardware {
  cpu: string;
  cores: number;
  memory_gib: number;
  features?: string[];
}

export interface Status {
  lang: Lang;
  home: string;
  version: string;
  stage: { name: string; index: number; of: number } | null;
  model: string | null;
  hardware: Hardware;
}

export interface StageEvent {
  type: 'stage';
  name: string;
  state: 'start' | 'done' | 'skipped';
  title?: string;
  sentence?: string;
  seconds?: number | null;
}

export interface ProgressEvent {
  type: 'progress';
  stage: string;
  done: number;
  total: number | null;
  unit: string;
  per_second: number | null;
  seconds_left: number | null;
}

export interface LossEvent {
  type: 'loss';
  run: string;
  step: number;
  tokens: number;
  seconds: number;
  loss: number;
  floor: number | null;
  lr: number;
  grad_norm: number;
  tokens_per_s: number;
  /** Arithmetic as a part of what this machine's largest product reached. */
  utilisation: number | null;
  /** Whether the loss jumped far above what was usual. */
  spike: boolean;
}

export interface ValidationEvent {
  type: 'validation';
  run: string;
  step: number;
  bits_per_byte: number;
}

export interface Sample {
  step: number;
  seconds: number;
  prompt: string;
  text: string;
  mine: boolean;
}

export interface SampleEvent extends Sample {
  type: 'sample';
  run: string;
}

export interface Score {
  score: number;
  stderr: number;
  baseline: number | null;
  n: number;
}

export interface ScoreEvent extends Score {
  type: 'score';
  task: string;
}

export interface MessageEventData {
  type: 'message';
  level: 'info' | 'warn' | 'error';
  text: string;
}

export type FeedEvent =
  | StageEvent
  | ProgressEvent
  | LossEvent
  | ValidationEvent
  | SampleEvent
  | ScoreEvent
  | MessageEventData;

export interface CorpusSource {
  name: string;
  documents_in: number;
  kept: number;
  bytes_in: number;
  bytes_kept: number;
  dropped: Record<string, number>;
  languages: Record<string, number>;
}

export interface CorpusReport {
  sources: CorpusSource[];
  tokens: number;
  validation_tokens: number;
  examples: { text: string }[];
}

export interface TokenPiece {
  id: number;
  text: string;
  bytes: number[];
}

export interface Tokenized {
  tokens: TokenPiece[];
  characters: number;
  bytes: number;
  vocab_size: number;
}

export interface RunSummary {
  name: string;
  kind: string;
  state: 'running' | 'done' | 'stopped';
  steps: number;
  total_steps: number | null;
  recipe: unknown;
  started: string;
}

export interface Metric {
  step: number;
  tokens: number;
  seconds: number;
  loss: number;
  lr: number;
  floor?: number | null;
  validation_bits_per_byte?: number | null;
}

/** Something that looks wrong with a curve; what the numbers mean depends on the rule. */
export interface Finding {
  rule: 'not_finite' | 'spike' | 'flat' | 'memorising' | 'exploding' | 'too_fast';
  step: number;
  value: number | null;
  than: number | null;
  count: number;
}

export interface RunDetail {
  recipe: unknown;
  findings: Finding[];
  metrics: Metric[];
  samples: Sample[];
}

export interface Report {
  seconds: Record<string, number>;
  scores: Record<string, Score>;
}

export interface LensGuess {
  id: number;
  text: string;
  probability: number;
}

export interface ProbePosition {
  token_index: number;
  word: string;
  by_layer: { category: string; probability: number }[][];
}

export interface Explained {
  tokens: { id: number; text: string }[];
  layers: number;
  heads: number;
  /** [layer][head][query][key] */
  attention: number[][][][];
  /** [layer + 1][token] → five guesses; index 0 is the embedding */
  lens: LensGuess[][][];
  /** [layer] → norms by token of what each part adds */
  contributions: { attention: number[]; mlp: number[] }[];
  probe: null | { categories: string[]; accuracy: number[]; positions: ProbePosition[] };
}

export interface Near {
  word: string;
  neighbours: { word: string; distance: number; similarity: number }[];
  map: { word: string; x: number; y: number; group: string }[];
}

export interface Alternative {
  token: string;
  id: number;
  logprob: number;
  bytes?: number[] | null;
}

export interface StreamToken extends Alternative {
  top_logprobs: Alternative[];
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A call of a tool; the arguments are JSON text. */
export interface ToolCall {
  name: string;
  arguments: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}
