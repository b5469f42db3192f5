//! Events on the terminal: stages, progress bars, the loss falling, samples, the scorecard.

use anstyle::{AnsiColor, Reset, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shuyuan_academy::{Academy, Event, Lang, Level, StageState};
use std::io::IsTerminal;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const RESET: Reset = Reset;

/// Shows the academy's events on standard error from a thread of its own.
pub(crate) struct Renderer {
    thread: JoinHandle<()>,
    stop: std::sync::mpsc::Sender<()>,
}

impl Renderer {
    /// Starts showing.
    pub(crate) fn start(academy: &Academy) -> Self {
        let (_, events) = academy.events.subscribe();
        let lang = academy.lang;
        let (stop, stopped) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || Screen::new(lang).run(&events, &stopped));
        Self { thread, stop }
    }

    /// Shows what is still to show, and ends.
    pub(crate) fn finish(self) {
        // A thread that is gone has shown all it could.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

struct Screen {
    lang: Lang,
    bar: Option<ProgressBar>,
    terminal: bool,
    losses: Vec<f64>,
    floor: Option<f64>,
    told: Instant,
}

impl Screen {
    fn new(lang: Lang) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { lang, bar: None, terminal, losses: Vec::new(), floor: None, told: Instant::now() }
    }

    fn run(&mut self, events: &Receiver<Event>, stopped: &Receiver<()>) {
        loop {
            match events.recv_timeout(Duration::from_millis(100)) {
                Ok(event) => self.show(&event),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if stopped.try_recv().is_err() => {}
                Err(_) => break,
            }
        }
        self.clear();
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{text}")),
            None => anstream::eprintln!("{text}"),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Stage { state: StageState::Start, title, sentence, .. } => {
                self.clear();
                self.losses.clear();
                self.line(&format!("\n{BOLD}{title}{RESET}  {DIM}{sentence}{RESET}"));
            }
            Event::Stage { state: StageState::Done, seconds, .. } => {
                self.clear();
                self.line(&format!("  {DIM}✓ {seconds:.1} s{RESET}"));
            }
            Event::Stage { state: StageState::Skipped, title, sentence, .. } => {
                self.line(&format!("{DIM}{title}: {sentence}{RESET}"));
            }
            Event::Progress { done, total, unit, per_second, seconds_left, .. } => {
                self.progress(*done, *total, unit, *per_second, *seconds_left);
            }
            Event::Loss { loss, floor, .. } => {
                self.losses.push(*loss);
                self.floor = *floor;
            }
            Event::Validation { bits_per_byte, step, .. } => {
                let what = self.lang.pick("没见过的文字", "held-out text");
                self.line(&format!("  {DIM}{step}: {what} {bits_per_byte:.3} bits/byte{RESET}"));
            }
            Event::Sample { prompt, text, seconds, mine, .. } => {
                let mark = if *mine { "›" } else { " " };
                let (prompt, text) = (one_line(prompt), one_line(text));
                self.line(&format!("  {DIM}{seconds:>4.0} s {mark} {prompt}{RESET} {text}"));
            }
            Event::Score { task, score, stderr, baseline, n } => {
                let base = self.lang.pick("瞎猜", "guessing");
                self.line(&format!("  {task:<12} {BOLD}{score:.3}{RESET} ± {stderr:.3}   {DIM}{base} {baseline:.3}, n {n}{RESET}"));
            }
            Event::Message { level, text } => {
                let style = if *level == Level::Info { DIM } else { RED };
                self.line(&format!("  {style}{text}{RESET}"));
            }
        }
    }

    fn progress(&mut self, done: u64, total: u64, unit: &str, per_second: f64, left: Option<f64>) {
        let loss = match (self.losses.last(), self.floor) {
            (Some(loss), Some(floor)) => {
                format!(
                    "loss {loss:.3} {} {} {floor:.3}",
                    spark(&self.losses),
                    self.lang.pick("下限", "floor")
                )
            }
            (Some(loss), None) => format!("loss {loss:.3} {}", spark(&self.losses)),
            (None, _) => String::new(),
        };
        let left =
            left.map_or(String::new(), |left| format!("{left:.0} s {}", self.lang.pick("剩余", "left")));
        let text = format!("{per_second:.0} {unit}/s  {left}  {loss}");
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
                let style = ProgressStyle::with_template("  {bar:24} {percent:>3}% {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar
            });
            bar.set_length(total.max(done));
            bar.set_position(done);
            bar.set_message(text);
        } else if self.told.elapsed() > Duration::from_secs(10) {
            self.told = Instant::now();
            let percent = 100.0 * done as f64 / total.max(1) as f64;
            self.line(&format!("  {percent:.0}% {text}"));
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ⏎ ")
}

/// The fall of the loss in sixteen characters.
fn spark(losses: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = losses.iter().copied().fold(1e-9, f64::max);
    let width = 16.min(losses.len());
    (0..width)
        .map(|i| {
            let at = (i + 1) * losses.len() / width - 1;
            BARS[((losses[at] / most * 7.0).round() as usize).min(7)]
        })
        .collect()
}
