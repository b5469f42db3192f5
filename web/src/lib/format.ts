// Numbers and times as people read them.
import { app } from './app.svelte';

/** 12345678 → "12.3M" or 1234.6万 in Chinese. */
export function count(n: number): string {
  return new Intl.NumberFormat(app.lang === 'zh' ? 'zh-CN' : 'en', {
    notation: Math.abs(n) >= 1e5 ? 'compact' : 'standard',
    maximumFractionDigits: Math.abs(n) >= 1e5 ? 1 : Math.abs(n) >= 100 || Number.isInteger(n) ? 0 : 1,
  }).format(n);
}

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${n >= 100 || unit === 0 ? n.toFixed(0) : n.toFixed(1)} ${units[unit]}`;
}

export function percent(x: number, digits = 0): string {
  return `${(x * 100).toFixed(digits)}%`;
}

/** Seconds → "8 s", "2 min 05 s", "1 h 12 min". */
export function duration(seconds: number): string {
  const zh = app.lang === 'zh';
  const [h, min, s] = zh ? [' 小时 ', ' 分 ', ' 秒'] : [' h ', ' min ', ' s'];
  if (seconds < 10) return `${seconds.toFixed(1)}${s}`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}${s}`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${min}${String(whole % 60).padStart(2, '0')}${s}`;
  return `${Math.floor(whole / 3600)}${h}${Math.floor((whole % 3600) / 60)}${min}`.trimEnd();
}

/** Seconds since 1970 as a moment: today's by the clock, older ones by the day. */
export function moment(seconds: number): string {
  const [then, now] = [new Date(seconds * 1000), new Date()];
  const day: Intl.DateTimeFormatOptions = { month: 'short', day: 'numeric' };
  const form: Intl.DateTimeFormatOptions =
    then.toDateString() === now.toDateString()
      ? { hour: '2-digit', minute: '2-digit' }
      : then.getFullYear() === now.getFullYear()
        ? day
        : { year: 'numeric', ...day };
  return new Intl.DateTimeFormat(app.lang === 'zh' ? 'zh-CN' : 'en-GB', form).format(then);
}

/** Seconds since 1970 as a moment, to the second. */
export function exactly(seconds: number): string {
  const form: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };
  return new Intl.DateTimeFormat(app.lang === 'zh' ? 'zh-CN' : 'en-GB', form).format(new Date(seconds * 1000));
}

/** A token's text with what cannot be seen made visible. */
export function visible(text: string): string {
  return text.replace(/\n/g, '↵').replace(/\t/g, '⇥').replace(/\r/g, '␍');
}

/** As `visible`, and with a mark for each leading space: for tables, where a space would be lost. */
export function marked(text: string): string {
  return visible(text).replace(/ /g, '␣');
}

export function hex(bytes: number[]): string {
  return bytes.map((b) => b.toString(16).toUpperCase().padStart(2, '0')).join(' ');
}
