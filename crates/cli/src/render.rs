//! The academy's events on the terminal: stages, progress, the loss falling to its floor, samples.
//!
//! All of it goes to standard error. Without a terminal there are no bars: plain lines, now and then.

use crate::out::note;
use crate::style::{
    BOLD, CYAN, DIM, GREEN, RED, RESET, YELLOW, bytes, cut, duration, grouped, middle, spark, visible,
};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shuyuan_academy::{Academy, Event, Lang, Level, StageState};
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Does `work` while the academy's events are shown.
pub(crate) fn shown<T>(academy: &Academy, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let renderer = Renderer::start(academy);
    let result = work();
    renderer.finish();
    result
}

struct Renderer {
    thread: JoinHandle<()>,
    stop: Sender<()>,
}

impl Renderer {
    fn start(academy: &Academy) -> Self {
        let (_, events) = academy.events.subscribe();
        let lang = academy.lang;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || Screen::new(lang).run(&events, &stopped));
        Self { thread, stop }
    }

    /// Shows what is still to show, and ends.
    fn finish(self) {
        // A thread that is gone has shown all it could.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Seconds between lines of progress where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Columns of a sample's prompt.
const PROMPT: usize = 64;
/// Columns of a sample's answer.
const SAMPLE: usize = 160;

struct Screen {
    lang: Lang,
    terminal: bool,
    bar: Option<ProgressBar>,
    /// Of the stage that is running.
    losses: Vec<f64>,
    floor: Option<f64>,
    bits_per_byte: Option<f64>,
    recall: Option<[f64; 3]>,
    utilisation: Option<f64>,
    told: Instant,
    /// The step of the last sample: samples of one moment stand under one heading.
    sampled: Option<u64>,
}

impl Screen {
    fn new(lang: Lang) -> Self {
        Self {
            lang,
            terminal: std::io::stderr().is_terminal(),
            bar: None,
            losses: Vec::new(),
            floor: None,
            bits_per_byte: None,
            recall: None,
            utilisation: None,
            told: Instant::now(),
            sampled: None,
        }
    }

    fn run(&mut self, events: &Receiver<Event>, stopped: &Receiver<()>) {
        loop {
            match events.recv_timeout(Duration::from_millis(50)) {
                Ok(event) => self.show(&event),
                Err(RecvTimeoutError::Timeout) if stopped.try_recv().is_err() => {}
                Err(_) => break,
            }
        }
        self.clear();
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(format_args!("{text}"))),
            None => note(format_args!("{text}")),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Stage { state, title, sentence, seconds, .. } => {
                self.stage(*state, title, sentence, *seconds)
            }
            Event::Progress { done, total, unit, per_second, seconds_left, stage } => {
                let unit = Unit {
                    name: unit,
                    bytes: stage != "pretrain" && ["bytes", "字节"].contains(&unit.as_str()),
                };
                self.progress(*done, *total, &unit, *per_second, *seconds_left);
            }
            Event::Loss { loss, floor, utilisation, .. } => {
                self.losses.push(*loss);
                self.floor = *floor;
                self.utilisation = utilisation.or(self.utilisation);
            }
            Event::Validation { bits_per_byte, .. } => self.bits_per_byte = Some(*bits_per_byte),
            Event::Recall { at_1, at_5, mrr, .. } => self.recall = Some([*at_1, *at_5, *mrr]),
            Event::Sample { run, step, prompt, text, seconds, mine } => {
                self.sample(run, *step, *seconds, prompt, text, *mine);
            }
            // The scorecard is a result: whoever asked for it prints it.
            Event::Score { .. } => {}
            Event::Message { level, text } => {
                let style = match level {
                    Level::Info => DIM,
                    Level::Warn => YELLOW,
                    Level::Error => RED,
                };
                self.line(&format!("  {style}{text}{RESET}"));
            }
        }
    }

    fn stage(&mut self, state: StageState, title: &str, sentence: &str, seconds: f64) {
        self.clear();
        match state {
            StageState::Start => {
                (self.losses, self.floor) = (Vec::new(), None);
                (self.bits_per_byte, self.recall, self.utilisation) = (None, None, None);
                (self.sampled, self.told) = (None, Instant::now());
                self.line(&format!("\n{BOLD}{title}{RESET}  {DIM}{sentence}{RESET}"));
            }
            StageState::Done => {
                let learned = format!("{}{}", self.loss(), self.bits());
                self.line(format!("  {GREEN}✓{RESET} {}  {learned}", duration(seconds)).trim_end());
            }
            StageState::Skipped => self.line(&format!("{GREEN}✓{RESET} {title}  {DIM}{sentence}{RESET}")),
        }
    }

    /// "loss 2.31 ▇▅▃▂ floor 1.52".
    fn loss(&self) -> String {
        let Some(last) = self.losses.last() else { return String::new() };
        let low = self.floor.unwrap_or_else(|| self.losses.iter().copied().fold(f64::INFINITY, f64::min));
        let name = self.lang.pick("损失", "loss");
        let curve = spark(&self.losses, low, 16);
        let floor = self.floor.map_or(String::new(), |floor| {
            format!(" {DIM}{} {floor:.2}{RESET}", self.lang.pick("下限", "floor"))
        });
        format!("{name} {BOLD}{last:.3}{RESET} {CYAN}{curve}{RESET}{floor}")
    }

    /// "  1.234 bits/byte" or "  recall@1 .61 @5 .83 MRR .71", once held-out data was looked at.
    fn bits(&self) -> String {
        if let Some([at_1, at_5, mrr]) = self.recall {
            let name = self.lang.pick("召回", "recall");
            return format!("  {name}@1 {at_1:.3} @5 {at_5:.3} MRR {mrr:.3}");
        }
        let name = self.lang.pick("比特/字节", "bits/byte");
        self.bits_per_byte.map_or(String::new(), |bits| format!("  {bits:.3} {name}"))
    }

    /// "16,000 tokens/s · 60% of peak  left 3:05 min  loss 2.31 ▇▅▃▂ floor 1.52  1.234 bits/byte".
    fn figures(&self, unit: &Unit, per_second: f64, left: Option<f64>) -> String {
        let left = left
            .map_or(String::new(), |left| format!("{} {}", self.lang.pick("还剩", "left"), duration(left)));
        let busy = self.utilisation.map_or(String::new(), |part| {
            format!(" · {:.0}% {}", 100.0 * part, self.lang.pick("算力", "of peak"))
        });
        format!("{}/s{busy}  {left}  {}{}", unit.show(per_second), self.loss(), self.bits())
    }

    fn progress(&mut self, done: u64, total: u64, unit: &Unit, per_second: f64, left: Option<f64>) {
        let text = self.figures(unit, per_second, left);
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| {
                // Rarely enough that what someone types meanwhile can be read.
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
                let template = if total > 0 { "  {bar:24.cyan/dim} {percent:>3}%  {msg}" } else { "  {msg}" };
                let style = ProgressStyle::with_template(template).map(|style| style.progress_chars("━━─"));
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar
            });
            bar.set_length(total.max(done));
            bar.set_message(if total > 0 { text } else { format!("{}  {text}", unit.show(done as f64)) });
            bar.set_position(done);
        } else if self.told.elapsed() > PLAIN_EVERY {
            self.told = Instant::now();
            let so_far = match total {
                0 => unit.show(done as f64),
                _ => format!("{:>3.0}%", 100.0 * done as f64 / total as f64),
            };
            self.line(&format!("  {so_far}  {}", text.trim_end()));
        }
    }

    fn sample(&mut self, run: &str, step: u64, seconds: f64, prompt: &str, text: &str, mine: bool) {
        if self.sampled != Some(step) {
            self.sampled = Some(step);
            let heading = match (run, step) {
                ("teach", 0) => self.lang.pick("之前", "before").to_string(),
                ("teach", _) => format!("{} {}", duration(seconds), self.lang.pick("之后", "later")),
                _ => {
                    let moment = self.lang.pick("此刻的权重", "the weights of this moment");
                    format!(
                        "{} · {} {} · {moment}",
                        duration(seconds),
                        self.lang.pick("第几步", "step"),
                        grouped(step)
                    )
                }
            };
            self.line(&format!("  {DIM}── {heading}{RESET}"));
        }
        let mark = if mine { format!("{CYAN}›{RESET}") } else { " ".into() };
        let (prompt, text) = (middle(&visible(prompt), PROMPT), cut(&visible(text), SAMPLE));
        self.line(&format!("  {mark} {DIM}{prompt}{RESET} {text}"));
    }
}

/// What is counted.
struct Unit<'a> {
    name: &'a str,
    bytes: bool,
}

impl Unit<'_> {
    fn show(&self, n: f64) -> String {
        match self.bytes {
            true => bytes(n),
            false if n < 10.0 => format!("{n:.1} {}", self.name),
            false => format!("{} {}", grouped(n as u64), self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_while_it_goes() {
        let mut screen = Screen::new(Lang::En);
        let loss = |step, loss, utilisation| Event::Loss {
            run: "pretrain".into(),
            step,
            tokens: 100 * step,
            seconds: 1.0,
            loss,
            floor: None,
            lr: 0.02,
            grad_norm: 1.0,
            tokens_per_s: 100.0,
            utilisation,
            spike: false,
        };
        let unit = Unit { name: "tokens", bytes: false };
        screen.show(&loss(1, 7.0, None));
        let first = screen.figures(&unit, 16_000.0, Some(185.0));
        assert!(
            first.starts_with("16,000 tokens/s  left 3:05 min  loss") && !first.contains("peak"),
            "{first}"
        );
        screen.show(&loss(2, 6.5, Some(0.604)));
        screen.show(&Event::Validation { run: "pretrain".into(), step: 2, bits_per_byte: 1.2345 });
        let then = screen.figures(&unit, 16_000.0, None);
        assert!(then.contains("/s · 60% of peak") && then.contains("6.500"), "{then}");
        assert!(then.ends_with("1.234 bits/byte") || then.ends_with("1.235 bits/byte"), "{then}");
    }
}
