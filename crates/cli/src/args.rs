//! The verbs, and what may stand before or behind each of them.

use crate::*;
use anyhow::Result;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use shuyuan_academy::{Academy, Home, Lang, Store};
use std::path::PathBuf;

/// 书院: a large language model from zero to one.
#[derive(Debug, Parser)]
#[command(name = "shuyuan", version, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  shuyuan quickstart        everything, in minutes\n  shuyuan VERB --help       one verb"
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The folder of models, runs and settings [default: shuyuan in the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Language of messages [default: from the locale]
    #[arg(long, global = true)]
    lang: Option<LangArg>,
    /// One JSON value on standard output, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Of the verbs that have it.
    #[arg(skip)]
    store: StoreArgs,
}

/// Where the knowledge base is, if not in the home folder.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Knowledge base for several servers")]
pub(crate) struct StoreArgs {
    /// Keep it in PostgreSQL: postgres://user@host/database [default: SHUYUAN_STORE, or the home folder]
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// Keep its files in a bucket: s3://bucket/prefix [default: SHUYUAN_ORIGINALS, or where they are]
    #[arg(long, global = true, value_name = "URL")]
    originals: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LangArg {
    Zh,
    En,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Quickstart(quickstart::Quickstart),
    Doctor(doctor::Doctor),
    /// Words into numbers
    #[command(after_help = "Example:\n  shuyuan tokenizer show \"The cat sat on the mat\"")]
    Tokenizer {
        #[command(subcommand)]
        verb: tokenizer::Verb,
    },
    /// The textbooks
    #[command(after_help = "Example:\n  shuyuan corpus build --input texts --tokenizer tok --output corpus")]
    Corpus {
        #[command(subcommand)]
        verb: corpus::Verb,
    },
    Pretrain(train::Pretrain),
    Finetune(train::Finetune),
    Eval(eval::Eval),
    Generate(generate::Generate),
    Chat(chat::Chat),
    Embed(embed::Embed),
    Ask(trades::Ask),
    Translate(trades::Translate),
    Summarize(trades::Summarize),
    Explain(explain::Explain),
    Serve(serve::Serve),
    /// Models on disk
    #[command(after_help = "Example:\n  shuyuan model info tuned/model")]
    Model {
        #[command(subcommand)]
        verb: inspect::ModelVerb,
    },
    /// The organisation's own knowledge: documents, searched and asked
    #[command(
        after_help = "Example:\n  shuyuan kb add ~/handbook\n  shuyuan kb ask \"How long is the trial period?\""
    )]
    Kb {
        #[command(flatten)]
        store: StoreArgs,
        #[command(subcommand)]
        verb: kb::Verb,
    },
    Runs(inspect::Runs),
    Race(race::Race),
    /// How fast this machine is at it
    #[command(after_help = "Example:\n  shuyuan bench train --batch 8 --seq 512 --steps 7 --json")]
    Bench {
        #[command(subcommand)]
        verb: bench::Verb,
    },
}

/// Reads the command line; ends the program where it is no command, or asks for help.
pub(crate) fn parse() -> CommandLine {
    let matches = command().get_matches();
    CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn command() -> Command {
    with_negative_numbers(CommandLine::command())
}

/// Lets `--steps -5` be refused for its value, not as an unknown flag `-5`.
fn with_negative_numbers(command: Command) -> Command {
    command
        .mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg })
        .mut_subcommands(with_negative_numbers)
}

impl CommandLine {
    /// Does what is asked.
    pub(crate) fn run(&self) -> Result<()> {
        let mut global = self.global.clone();
        match &self.verb {
            Verb::Kb { store, .. } => global.store = store.clone(),
            Verb::Serve(serve) => global.store = serve.store.clone(),
            _ => {}
        }
        let global = &global;
        match &self.verb {
            Verb::Quickstart(verb) => verb.run(global),
            Verb::Doctor(verb) => verb.run(global),
            Verb::Tokenizer { verb } => verb.run(global),
            Verb::Corpus { verb } => verb.run(global),
            Verb::Pretrain(verb) => verb.run(global),
            Verb::Finetune(verb) => verb.run(global),
            Verb::Eval(verb) => verb.run(global),
            Verb::Generate(verb) => verb.run(global),
            Verb::Chat(verb) => verb.run(global),
            Verb::Embed(verb) => verb.run(global),
            Verb::Ask(verb) => verb.run(global),
            Verb::Translate(verb) => verb.run(global),
            Verb::Summarize(verb) => verb.run(global),
            Verb::Explain(verb) => verb.run(global),
            Verb::Serve(verb) => verb.run(global),
            Verb::Model { verb } => verb.run(global),
            Verb::Kb { verb, .. } => verb.run(global),
            Verb::Runs(verb) => verb.run(global),
            Verb::Race(verb) => verb.run(global),
            Verb::Bench { verb } => verb.run(global),
        }
    }
}

impl Global {
    /// The academy in the chosen home.
    pub(crate) fn academy(&self) -> Result<Academy> {
        let root = self.home.clone().unwrap_or_else(default_home);
        let set = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let store = Store {
            database: self.store.store.clone().or_else(|| set("SHUYUAN_STORE")),
            originals: self.store.originals.clone().or_else(|| set("SHUYUAN_ORIGINALS")),
        };
        Ok(Academy::new(Home::open(&root)?, self.lang()).with_store(store))
    }

    /// The same, computing on one device or several: cpu, cuda:1, or cuda:0,cuda:1.
    pub(crate) fn academy_on(&self, devices: &str) -> Result<Academy> {
        let mut academy = self.academy()?;
        let mut devices = shuyuan_tensor::device_list(devices).map_err(anyhow::Error::msg)?;
        academy.device = devices.remove(0);
        academy.cards = devices;
        Ok(academy)
    }

    pub(crate) fn lang(&self) -> Lang {
        match self.lang {
            Some(LangArg::Zh) => Lang::Zh,
            Some(LangArg::En) => Lang::En,
            None => {
                let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
                let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
                if locale.is_some_and(|locale| locale.starts_with("zh")) { Lang::Zh } else { Lang::En }
            }
        }
    }
}

fn default_home() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if cfg!(target_os = "macos")
        && let Some(home) = set("HOME")
    {
        return home.join("Library/Application Support/shuyuan");
    }
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .or_else(|| set("LOCALAPPDATA"))
        .unwrap_or_else(std::env::temp_dir)
        .join("shuyuan")
}

/// For clap: minutes and the like.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        _ => Err("expected a number above 0".into()),
    }
}

/// For clap: how many, at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<u32>() {
        Ok(n) if n > 0 => Ok(n as usize),
        _ => Err(format!("expected a whole number from 1 to {}", u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `f` with every verb's words ("tokenizer train") and its help.
    fn for_each_verb(command: &mut Command, words: &str, f: &mut dyn FnMut(&str, String)) {
        f(words, command.render_long_help().to_string());
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            let words = format!("{words} {}", sub.get_name());
            for_each_verb(sub, &words, f);
        }
    }

    #[test]
    fn every_help_has_an_example_of_its_verb() {
        let mut command = command();
        command.build();
        let mut verbs = 0;
        for_each_verb(&mut command, "shuyuan", &mut |words, help| {
            verbs += 1;
            let example = help.split_once("Example:\n  ").map(|(_, example)| example);
            assert!(example.is_some_and(|example| example.starts_with(words)), "{words}:\n{help}");
        });
        assert!(verbs > 20, "{verbs}");
    }

    #[test]
    fn every_example_is_a_command() {
        let mut built = command();
        built.build();
        let mut examples = Vec::new();
        for_each_verb(&mut built, "shuyuan", &mut |_, help| {
            let (_, lines) = help.split_once("Example:\n").expect("an example");
            examples
                .extend(lines.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()));
        });
        for example in &examples {
            // Longer lines would be broken to fit a terminal.
            assert!(example.len() <= 78, "{example}");
        }
        for example in examples.iter().filter(|example| !example.contains("VERB") && !example.contains("   "))
        {
            let mut words: Vec<String> = Vec::new();
            for (index, part) in example.split('"').enumerate() {
                if index % 2 == 1 {
                    words.push(part.to_string());
                } else {
                    words.extend(part.split_whitespace().map(String::from));
                }
            }
            if let Err(error) = command().try_get_matches_from(&words) {
                panic!("{example}\n{error}");
            }
        }
    }

    #[test]
    fn numbers_out_of_bounds_are_named() {
        for (line, named) in [
            ("shuyuan quickstart --minutes -1", "--minutes"),
            ("shuyuan quickstart --minutes nan", "--minutes"),
            ("shuyuan generate --prompt a --max-tokens -5", "--max-tokens"),
            ("shuyuan generate --prompt a --max-tokens 99999999999999999999999", "--max-tokens"),
            ("shuyuan generate --prompt-ids 1,-2", "--prompt-ids"),
            ("shuyuan serve --port 70000", "--port"),
            ("shuyuan pretrain --recipe r --corpus c --output o --steps -1", "--steps"),
            ("shuyuan corpus world --docs -3 --output f", "--docs"),
            ("shuyuan tokenizer train --input f --vocab-size -1 --output o", "--vocab-size"),
        ] {
            let error = command().try_get_matches_from(line.split(' ')).expect_err(line).to_string();
            assert!(error.contains("invalid value") && error.contains(named), "{line}: {error}");
        }
    }
}
