//! Verbs that look: at the machine, at tokens, at a corpus, at runs, inside a model.

use crate::args::{self, Args};
use crate::render::{BOLD, CYAN, DIM, RESET};
use crate::talk::model;
use anstyle::{AnsiColor, Color, Style};
use anyhow::{Context, Result};
use shuyuan_academy::inspect::{self, Explanation};
use shuyuan_corpus::Report;
use shuyuan_tensor::Hardware;
use shuyuan_text::Tokenizer;
use std::path::Path;

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<()> {
    anstream::println!("{}", serde_json::to_string(value)?);
    Ok(())
}

pub(crate) fn doctor(args: &Args) -> Result<()> {
    let hardware = Hardware::detect();
    if args.json {
        return json(&serde_json::json!({
            "cpu": hardware.cpu, "cores": hardware.cores, "memory_gib": hardware.memory_gib,
            "features": hardware.features,
        }));
    }
    anstream::println!("{BOLD}{}{RESET}", hardware.cpu);
    anstream::println!(
        "  {} cores, {:.1} GiB, {}",
        hardware.cores,
        hardware.memory_gib,
        hardware.features.join(" ")
    );
    Ok(())
}

pub(crate) fn encode(args: &Args, verb: &args::TokenizerEncode) -> Result<()> {
    let tokenizer = Tokenizer::load(&verb.tokenizer)?;
    let bytes = std::fs::read(&verb.input).with_context(|| format!("reading {}", verb.input.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{} is not UTF-8 (byte {at}): convert it first", verb.input.display())
    })?;
    let ids = tokenizer.encode(&text);
    if args.json {
        return json(&serde_json::json!({ "ids": ids, "tokens": ids.len(), "bytes": text.len() }));
    }
    for line in ids.chunks(32) {
        anstream::println!("{}", line.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

pub(crate) fn show(args: &Args, verb: &args::TokenizerShow) -> Result<()> {
    let tokenizer = match &verb.tokenizer {
        Some(dir) => Tokenizer::load(dir)?,
        None => (*model(&args.academy()?, None)?.tokenizer).clone(),
    };
    let shown = inspect::tokens(&tokenizer, &verb.text);
    if args.json {
        let tokens: Vec<_> = shown
            .iter()
            .map(|t| serde_json::json!({ "id": t.id, "text": t.text, "bytes": t.bytes }))
            .collect();
        return json(&serde_json::json!({ "tokens": tokens, "vocab_size": tokenizer.vocab_size() }));
    }
    const COLOURS: [AnsiColor; 6] = [
        AnsiColor::Cyan,
        AnsiColor::Yellow,
        AnsiColor::Green,
        AnsiColor::Magenta,
        AnsiColor::Blue,
        AnsiColor::Red,
    ];
    let colour = |index: usize| Style::new().fg_color(Some(Color::Ansi(COLOURS[index % COLOURS.len()])));
    let pieces: String = shown
        .iter()
        .enumerate()
        .map(|(index, token)| format!("{}{}{RESET}", colour(index), token.text))
        .collect();
    anstream::println!("{pieces}\n\n{BOLD}{:<20} {:>8}{RESET}", "Token", "ID");
    for (index, token) in shown.iter().enumerate() {
        let text = format!("{:?}", token.text);
        anstream::println!(
            "{}{}{RESET}{} {:>8}",
            colour(index),
            text,
            " ".repeat(20usize.saturating_sub(width(&text))),
            token.id
        );
    }
    Ok(())
}

/// Columns on a terminal: Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{2e80}'..='\u{ffe6}').contains(&c) { 2 } else { 1 }).sum()
}

pub(crate) fn stats(args: &Args, dir: &Path) -> Result<()> {
    print_report(args, &shuyuan_corpus::stats(dir)?)
}

pub(crate) fn print_report(args: &Args, report: &Report) -> Result<()> {
    if args.json {
        return json(report);
    }
    for source in &report.sources {
        anstream::println!("{BOLD}{}{RESET}", source.name);
        anstream::println!(
            "  {} of {} documents kept, {} of {} bytes, {} tokens",
            source.kept,
            source.documents_in,
            source.bytes_kept,
            source.bytes_in,
            source.tokens
        );
        let dropped = serde_json::to_value(source.dropped)?;
        for (reason, count) in dropped.as_object().into_iter().flatten() {
            if count.as_u64().unwrap_or(0) > 0 {
                anstream::println!("  {DIM}dropped, {reason}: {count}{RESET}");
            }
        }
        for line in source.skipped.files.iter().chain(&source.skipped.first) {
            anstream::println!("  {DIM}skipped: {line}{RESET}");
        }
    }
    anstream::println!("{} tokens to train on, {} held out", report.tokens, report.validation_tokens);
    Ok(())
}

pub(crate) fn explain(args: &Args, verb: &args::Explain) -> Result<()> {
    let live = model(&args.academy()?, verb.model.as_deref())?;
    if let Some(word) = &verb.near {
        let near = inspect::near(&live, word, verb.k)?;
        if args.json {
            return json(&near);
        }
        anstream::println!("{BOLD}{}{RESET}", near.word);
        for neighbour in &near.neighbours {
            let bar = "█".repeat((neighbour.similarity.max(0.0) * 24.0) as usize);
            anstream::println!("  {:.3} {CYAN}{bar}{RESET} {}", neighbour.distance, neighbour.word);
        }
        return Ok(());
    }
    let explanation = inspect::explain(&live, verb.text.as_deref().unwrap_or_default())?;
    if args.json {
        return json(&explanation);
    }
    print_explanation(&explanation);
    Ok(())
}

fn print_explanation(e: &Explanation) {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let label = |t: usize| {
        let text = &e.tokens[t].text;
        format!("{text}{}", " ".repeat(12usize.saturating_sub(width(text))))
    };
    for (layer, heads) in e.attention.iter().enumerate() {
        for (head, rows) in heads.iter().enumerate() {
            anstream::println!("\n{BOLD}attention, layer {} head {}{RESET}", layer + 1, head + 1);
            for (t, row) in rows.iter().enumerate() {
                let cells: String =
                    row[..=t].iter().map(|w| SHADES[((w * 4.0).round() as usize).min(4)]).collect();
                anstream::println!("  {} {CYAN}{cells}{RESET}", label(t));
            }
        }
    }
    anstream::println!("\n{BOLD}what each layer's state would predict{RESET}");
    for t in 0..e.tokens.len() {
        let guesses: Vec<String> = e
            .lens
            .iter()
            .map(|layer| {
                layer[t].first().map_or_else(String::new, |g| format!("{}·{:.2}", g.text, g.probability))
            })
            .collect();
        anstream::println!("  {} {}", label(t), guesses.join(&format!(" {DIM}→{RESET} ")));
    }
    anstream::println!("\n{BOLD}what each part adds (length of the change){RESET}");
    for (layer, parts) in e.contributions.iter().enumerate() {
        let numbers = |v: &[f32]| v.iter().map(|x| format!("{x:6.2}")).collect::<String>();
        anstream::println!("  layer {} attention   {}", layer + 1, numbers(&parts.attention));
        anstream::println!("  layer {} feed-forward{}", layer + 1, numbers(&parts.mlp));
    }
    anstream::println!("\n{BOLD}what kind of thing each layer takes a word for{RESET}");
    let accuracy: Vec<String> = e.probe.accuracy.iter().map(|a| format!("{a:.2}")).collect();
    anstream::println!(
        "  {DIM}accuracy on words that the probe never met, by layer: {}{RESET}",
        accuracy.join(" ")
    );
    for position in &e.probe.positions {
        let beliefs: Vec<String> = position
            .by_layer
            .iter()
            .filter_map(|layer| layer.first())
            .map(|b| format!("{} {:.2}", b.category, b.probability))
            .collect();
        anstream::println!("  {} {}", position.word, beliefs.join(&format!(" {DIM}→{RESET} ")));
    }
}

pub(crate) fn model_info(args: &Args, dir: &Option<String>) -> Result<()> {
    let live = model(&args.academy()?, dir.as_deref())?;
    let config = live.model.config();
    let params = config.num_params();
    let cache = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4;
    if args.json {
        return json(&serde_json::json!({
            "name": live.name, "parameters": params, "config": config, "memory_bytes": params * 4,
            "cache_bytes_per_token": cache,
        }));
    }
    anstream::println!("{BOLD}{}{RESET}  Qwen3, {:.2} M parameters", live.name, params as f64 / 1e6);
    anstream::println!(
        "  {} layers, state {}, {} heads of {} ({} for keys), feed-forward {}, vocabulary {}, context {}",
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.head_dim,
        config.num_key_value_heads,
        config.intermediate_size,
        config.vocab_size,
        config.max_position_embeddings
    );
    let full = params * 4 + cache * config.max_position_embeddings;
    anstream::println!(
        "  {:.1} MiB with a full context ({cache} bytes a token)",
        full as f64 / (1 << 20) as f64
    );
    Ok(())
}

pub(crate) fn runs(args: &Args) -> Result<()> {
    let academy = args.academy()?;
    let mut rows = Vec::new();
    for name in academy.home.runs() {
        let metrics = shuyuan_train::read_metrics(&academy.home.run(&name)).unwrap_or_default();
        if let Some(last) = metrics.last() {
            rows.push(serde_json::json!({ "name": name, "steps": last.step, "tokens": last.tokens, "seconds": last.seconds, "loss": last.loss }));
        }
    }
    if args.json {
        return json(&rows);
    }
    for row in rows {
        anstream::println!(
            "{BOLD}{}{RESET}  {} steps, {} tokens, loss {:.3}",
            row["name"].as_str().unwrap_or_default(),
            row["steps"],
            row["tokens"],
            row["loss"].as_f64().unwrap_or_default()
        );
    }
    Ok(())
}
