//! `chat`: a conversation in the terminal.

use crate::args::Global;
use crate::generate::{shown, tell_dropped, unless_stopped};
use crate::models::{self, Speech};
use crate::out::{self, note, say};
use crate::prompt::Prompt;
use crate::stop;
use crate::style::{DIM, RESET, YELLOW, grouped, safe};
use anyhow::Result;
use clap::Args;
use shuyuan_academy::{Lang, LiveModel};
use shuyuan_chain::{ChainError, Options, Part, Reader, Reply};
use shuyuan_text::{CallFormat, Message, Rendering};
use std::io::IsTerminal;
use std::ops::ControlFlow;

/// Talk with a model in the terminal
///
/// A line that ends in \ goes on, """ begins and ends a text of several lines. What is typed is remembered in
/// chat_history of the home folder. /help tells the commands. Of piped input each line is a question.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan chat --model tuned/model\n  shuyuan chat --system \"Answer in Chinese.\" --temperature 0.7"
)]
pub(crate) struct Chat {
    /// A model's folder, or its name in the home folder [default: academy, or the newest]
    #[arg(long, value_name = "DIR")]
    model: Option<String>,
    /// Instructions that hold for the whole conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    speech: Speech,
}

fn help(lang: Lang) -> &'static str {
    lang.pick(
        "/new 忘掉前面的话   /undo 收回上一问   /history 看前面的话   /system 要求 从现在起都照办,单写 /system 看现在的要求\n\
         /model 是谁在说话   /help   /quit 或 Ctrl-D 结束   Ctrl-C 打断回答\n\
         行末写 \\ 接着写下一行,\"\"\" 与 \"\"\" 之间可写多行;上下箭头翻以前写过的话",
        "/new forgets what was said   /undo takes back the last question   /history\n\
         /system TEXT gives instructions from now on, alone it shows them   /model who is talking\n\
         /help   /quit or Ctrl-D ends   Ctrl-C breaks off an answer\n\
         A line that ends in \\ goes on, \"\"\" begins and ends a text of several lines; arrows bring back what you typed",
    )
}

impl Chat {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let options = self.speech.options();
        options.sampling.validate()?;
        let academy = global.academy()?;
        let live = models::load(&academy, self.model.as_deref())?;
        let lang = global.lang();
        let mut prompt = Prompt::open(academy.home.chat_history());
        let person = prompt.is_person();
        if person {
            note(format_args!("{DIM}{}{RESET}", help(lang)));
        }
        let mut talk = Talk { live, options, system: self.system.clone(), said: Vec::new() };
        while let Some(line) = prompt.next()? {
            let line = line.trim();
            match line.split_once(char::is_whitespace).unwrap_or((line, "")) {
                ("", _) => {}
                ("/quit" | "/exit", "") => break,
                ("/help", "") => note(format_args!("{DIM}{}{RESET}", help(lang))),
                ("/new", "") => talk.said.clear(),
                ("/undo", "") => talk.said.truncate(talk.said.len().saturating_sub(2)),
                ("/history", "") => {
                    for message in talk.messages() {
                        note(format_args!("{DIM}{}{RESET} {}", message.role.name(), safe(&message.content)));
                    }
                }
                ("/system", "") => note(format_args!("{}", safe(talk.system.as_deref().unwrap_or("–")))),
                ("/system", text) => talk.system = Some(text.trim().into()),
                ("/model", "") => {
                    let context = grouped(talk.live.model.config().max_position_embeddings as u64);
                    let unit = lang.pick("个词元的上下文", "tokens of context");
                    note(format_args!("{}   {DIM}{context} {unit}{RESET}", talk.live.name));
                }
                _ => {
                    let loud = !global.json;
                    match talk.ask(line, loud) {
                        Ok(reply) => {
                            tell_dropped(&reply, lang);
                            talk.said.push(Message::assistant(reply.text));
                        }
                        // The conversation outgrew the model: the person can begin anew, a script cannot.
                        Err(error) if person => {
                            talk.said.pop();
                            note(format_args!("{YELLOW}{error}{RESET} (/new, /undo)"));
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                    if loud {
                        say!("")?;
                    }
                    // At a prompt Ctrl-C ends the program, during an answer only that.
                    if person {
                        stop::take();
                    }
                }
            }
        }
        if global.json {
            out::json(&serde_json::json!({ "messages": talk.messages() }))?;
        } else if person {
            note(format_args!(""));
        }
        if person { Ok(()) } else { stop::check() }
    }
}

/// A conversation with one model.
struct Talk {
    live: LiveModel,
    options: Options,
    system: Option<String>,
    said: Vec<Message>,
}

impl Talk {
    fn messages(&self) -> Vec<Message> {
        self.system.iter().map(Message::system).chain(self.said.iter().cloned()).collect()
    }

    /// Asks, and shows the answer as it comes if it is to be `loud`.
    fn ask(&mut self, question: &str, loud: bool) -> Result<Reply, ChainError> {
        self.said.push(Message::user(question));
        let (messages, local) = (self.messages(), self.live.local());
        if !loud {
            return local.chat(&messages, &self.options, &mut |_| unless_stopped());
        }
        if !std::io::stdout().is_terminal() {
            return local.chat(&messages, &self.options, &mut shown);
        }
        let mut screen = Screen { reader: self.reader(&messages)?, dim: false };
        let reply = local.chat(&messages, &self.options, &mut |piece| {
            let parts = screen.reader.push(&piece.text);
            screen.show(parts)
        });
        let rest = screen.reader.finish();
        let _ = screen.show(rest);
        screen.set_dim(false);
        reply
    }

    /// What tells thinking from words, where the model's template knows thinking.
    fn reader(&self, messages: &[Message]) -> Result<Reader, ChainError> {
        let template = self.live.tokenizer.roles().chat_template.as_deref().unwrap_or_default();
        if !template.contains("<think>") && !template.contains("</think>") {
            return Ok(Reader::plain());
        }
        let prompt = self.live.local().template()?.render_text(messages, &Rendering::answer())?;
        let begun = prompt.trim_end().ends_with("<think>");
        Ok(Reader::new(CallFormat::None, &[], false, Some(begun)))
    }
}

/// Shows what is thought dim, and what is said behind it as ever.
struct Screen {
    reader: Reader,
    dim: bool,
}

impl Screen {
    fn show(&mut self, parts: Vec<Part>) -> ControlFlow<()> {
        for part in parts {
            let (dim, text) = match part {
                Part::Thought(text) => (true, text),
                Part::Words(text) => (false, text),
                Part::Calls(_) => continue, // no tools are offered
            };
            if self.dim && !dim {
                let _ = out::piece("\n\n");
            }
            self.set_dim(dim);
            if out::piece(&safe(&text)).is_err() {
                return ControlFlow::Break(());
            }
        }
        unless_stopped()
    }

    fn set_dim(&mut self, dim: bool) {
        if self.dim != dim {
            let _ = out::piece(&if dim { DIM.to_string() } else { RESET.to_string() });
        }
        self.dim = dim;
    }
}
