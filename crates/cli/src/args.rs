//! What can be typed: every verb with its flags, its help and an example.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use shuyuan_academy::{Academy, Home, Lang};
use std::net::IpAddr;
use std::path::PathBuf;

/// 书院: a large language model from zero to one.
#[derive(Debug, Parser)]
#[command(name = "shuyuan", version, after_help = "Example:\n  shuyuan quickstart")]
pub(crate) struct Args {
    /// The folder of models, runs and settings [default: the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Language of messages [default: from the locale]
    #[arg(long, global = true)]
    pub(crate) lang: Option<LangArg>,
    /// One JSON value on standard output, for machines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LangArg {
    Zh,
    En,
}

impl Args {
    /// The academy in the chosen home.
    pub(crate) fn academy(&self) -> anyhow::Result<Academy> {
        let root = self.home.clone().unwrap_or_else(default_home);
        Ok(Academy::new(Home::open(&root)?, self.lang()))
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

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The whole path: corpus, tokenizer, pretraining, fine-tuning, evaluation, chat in a browser
    #[command(
        after_help = "Example:\n  shuyuan quickstart\n  shuyuan quickstart --minutes 10 --input ~/texts --home ~/academy"
    )]
    Quickstart(Quickstart),
    /// What this machine has
    #[command(after_help = "Example:\n  shuyuan doctor")]
    Doctor,
    /// Words into numbers
    #[command(after_help = "Example:\n  shuyuan tokenizer show \"The cat sat on the mat\"")]
    Tokenizer {
        #[command(subcommand)]
        verb: TokenizerVerb,
    },
    /// The textbooks
    #[command(after_help = "Example:\n  shuyuan corpus build --input texts --tokenizer tok --output corpus")]
    Corpus {
        #[command(subcommand)]
        verb: CorpusVerb,
    },
    /// Train a model from nothing
    #[command(
        after_help = "Example:\n  shuyuan pretrain --recipe recipes/26m.toml --corpus corpus --output run --minutes 60\n  shuyuan pretrain --recipe recipes/26m.toml --corpus corpus --output run --minutes 60 --resume"
    )]
    Pretrain(Pretrain),
    /// Teach a model to answer
    #[command(
        after_help = "Example:\n  shuyuan finetune --model run/model --data chats.jsonl --output tuned --minutes 10"
    )]
    Finetune(Finetune),
    /// Examine a model
    #[command(
        after_help = "Example:\n  shuyuan eval --model tuned/model\n  shuyuan eval --model tuned/model --task sums --limit 500 --json"
    )]
    Eval(Eval),
    /// Go on with a text
    #[command(
        after_help = "Example:\n  shuyuan generate --model run/model --prompt \"Once upon a time\" --max-tokens 60 --temperature 0.8"
    )]
    Generate(Generate),
    /// Talk with a model in the terminal
    #[command(after_help = "Example:\n  shuyuan chat --model tuned/model")]
    Chat(Talk),
    /// Ask a question, about a text if one is given
    #[command(after_help = "Example:\n  shuyuan ask \"Who lives near the market?\" --context story.txt")]
    Ask(Ask),
    /// Translate between Chinese and English
    #[command(after_help = "Example:\n  shuyuan translate \"The cat is under the bridge.\"")]
    Translate(TextVerb),
    /// Summarise a text
    #[command(after_help = "Example:\n  shuyuan summarize --file story.txt")]
    Summarize(TextVerb),
    /// Look inside a model
    #[command(
        after_help = "Example:\n  shuyuan explain \"我今天吃了狮子头和蔬菜\"\n  shuyuan explain --near 红色"
    )]
    Explain(Explain),
    /// Serve models: web app and OpenAI's API
    #[command(after_help = "Example:\n  shuyuan serve --model tuned/model --port 8787")]
    Serve(Serve),
    /// Models on disk
    #[command(after_help = "Example:\n  shuyuan model info tuned/model")]
    Model {
        #[command(subcommand)]
        verb: ModelVerb,
    },
    /// The runs in the home folder
    #[command(after_help = "Example:\n  shuyuan runs --json")]
    Runs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Quickstart {
    /// Minutes of training
    #[arg(long, default_value_t = 5.0)]
    pub(crate) minutes: f64,
    /// One's own text instead of the built-in corpus: files or folders
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) input: Vec<PathBuf>,
    /// Stop before the server
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// The server's port The port [default: 8787 or the next free one]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Questions of each task in the examination
    #[arg(long, default_value_t = 100)]
    pub(crate) questions: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenizerVerb {
    /// Train a tokenizer on text files
    #[command(
        after_help = "Example:\n  shuyuan tokenizer train --input texts --vocab-size 8192 --output tok"
    )]
    Train(TokenizerTrain),
    /// Text to ids
    #[command(after_help = "Example:\n  shuyuan tokenizer encode --tokenizer tok --input story.txt --json")]
    Encode(TokenizerEncode),
    /// The tokens of a text, coloured, with their ids
    #[command(after_help = "Example:\n  shuyuan tokenizer show \"The cat sat on the mat\"")]
    Show(TokenizerShow),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenizerTrain {
    /// Text files or folders
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) input: Vec<PathBuf>,
    /// Tokens in the vocabulary
    #[arg(long, default_value_t = 8192)]
    pub(crate) vocab_size: usize,
    /// The folder to make
    #[arg(long)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenizerEncode {
    /// The tokenizer's folder
    #[arg(long)]
    pub(crate) tokenizer: PathBuf,
    /// A text file
    #[arg(long)]
    pub(crate) input: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenizerShow {
    /// The text
    pub(crate) text: String,
    /// The tokenizer's folder [default: that of the model in the home folder]
    #[arg(long)]
    pub(crate) tokenizer: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CorpusVerb {
    /// Clean, deduplicate and tokenise text files
    #[command(
        after_help = "Example:\n  shuyuan corpus build --input texts --tokenizer tok --output corpus\n  shuyuan corpus build --input zh.jsonl.zst en.jsonl.zst --weight 1 0.5 --tokenizer tok --output corpus"
    )]
    Build(CorpusBuild),
    /// The report of a corpus
    #[command(after_help = "Example:\n  shuyuan corpus stats corpus")]
    Stats {
        /// The corpus's folder
        dir: PathBuf,
    },
    /// Write out the built-in corpus
    #[command(
        after_help = "Example:\n  shuyuan corpus world --seed 1 --docs 1000 --split train --output world.jsonl"
    )]
    World(CorpusWorld),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CorpusBuild {
    /// txt, md, jsonl, jsonl.zst, jsonl.gz, parquet: files or folders
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) input: Vec<PathBuf>,
    /// How often the documents of each input come [default: 1 each]
    #[arg(long, num_args = 1.., value_name = "WEIGHT")]
    pub(crate) weight: Vec<f64>,
    /// The tokenizer's folder
    #[arg(long)]
    pub(crate) tokenizer: PathBuf,
    /// The folder to make
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// Evaluation sets whose passages must not occur
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub(crate) decontaminate: Vec<PathBuf>,
    /// Part of the documents that is held back for validation
    #[arg(long, default_value_t = 0.005)]
    pub(crate) validation_share: f64,
    /// The text is known to be clean: leave out nothing but copies
    #[arg(long)]
    pub(crate) clean: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CorpusWorld {
    /// Of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many documents
    #[arg(long)]
    pub(crate) docs: u64,
    /// Which side of the split by content
    #[arg(long, default_value = "train")]
    pub(crate) split: SplitArg,
    /// The file to write
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// Only conversations, for fine-tuning
    #[arg(long)]
    pub(crate) chats: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SplitArg {
    Train,
    Test,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Pretrain {
    /// A recipe file
    #[arg(long)]
    pub(crate) recipe: PathBuf,
    /// The corpus's folder
    #[arg(long)]
    pub(crate) corpus: PathBuf,
    /// The run's folder; the model lies in its `model/`
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// How many steps
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// How many minutes
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// Go on from the last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Finetune {
    /// The method
    #[arg(long, default_value = "sft")]
    pub(crate) method: Method,
    /// The model's folder
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// Conversations: JSON lines with `messages`
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) data: Vec<PathBuf>,
    /// The run's folder; the model lies in its `model/`
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// A recipe file [default: that of the quickstart]
    #[arg(long)]
    pub(crate) recipe: Option<PathBuf>,
    /// How many steps
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// How many minutes
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// Go on from the last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Method {
    /// Supervised: loss on what the assistant says
    Sft,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Eval {
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Which tasks [default: the five of the built-in world]
    #[arg(long, num_args = 1.., value_name = "TASK")]
    pub(crate) task: Vec<String>,
    /// Multiple choice instead: files of questions, as JSON lines (also .zst, .gz)
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "task")]
    pub(crate) choices: Vec<PathBuf>,
    /// Questions of each task
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// Seed of the world that the model was trained on
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Generate {
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The text to go on with
    #[arg(long, conflicts_with = "prompt_ids", required_unless_present = "prompt_ids")]
    pub(crate) prompt: Option<String>,
    /// The same as ids
    #[arg(long, value_delimiter = ',')]
    pub(crate) prompt_ids: Option<Vec<u32>>,
    /// The most tokens to write
    #[arg(long, default_value_t = 128)]
    pub(crate) max_tokens: usize,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Go on after the end-of-text token
    #[arg(long)]
    pub(crate) ignore_eos: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct SamplingArgs {
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    pub(crate) temperature: f32,
    /// Only the K likeliest tokens; 0 for all
    #[arg(long, default_value_t = 0)]
    pub(crate) top_k: usize,
    /// Only the likeliest tokens that together have this probability
    #[arg(long, default_value_t = 1.0)]
    pub(crate) top_p: f32,
    /// Only tokens at least this likely, relative to the likeliest
    #[arg(long, default_value_t = 0.0)]
    pub(crate) min_p: f32,
    /// Makes tokens that occurred already less likely; 1 for none
    #[arg(long, default_value_t = 1.0)]
    pub(crate) repetition_penalty: f32,
    /// Of the draws
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Talk {
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// What the assistant should know first
    #[arg(long)]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Ask {
    /// The question
    pub(crate) question: String,
    /// A text file that the answer is in
    #[arg(long, value_name = "FILE")]
    pub(crate) context: Option<PathBuf>,
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TextVerb {
    /// The text
    #[arg(required_unless_present = "file")]
    pub(crate) text: Option<String>,
    /// A text file instead
    #[arg(long, conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Explain {
    /// The text to look at
    #[arg(required_unless_present = "near")]
    pub(crate) text: Option<String>,
    /// Instead: the words that lie close to this one
    #[arg(long, value_name = "WORD", conflicts_with = "text")]
    pub(crate) near: Option<String>,
    /// How many neighbours
    #[arg(long, default_value_t = 10)]
    pub(crate) k: usize,
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// A model's folder, or its name in the home folder
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The port [default: 8787 or the next free one]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Any other than this machine's own needs --api-key
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// What every request must carry
    #[arg(long)]
    pub(crate) api_key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelVerb {
    /// What a model is
    #[command(after_help = "Example:\n  shuyuan model info tuned/model")]
    Info {
        /// Its folder, or its name in the home folder
        dir: Option<String>,
    },
}
