//! `kb eval`: how good the search and the answers are, and whether they have fallen.

use crate::args::Global;
use crate::models;
use crate::out::{self, say};
use crate::stop::STOP;
use crate::style::{BOLD, DIM, RESET};
use anyhow::{Result, bail};
use clap::Args;
use shuyuan_academy::stages::knowledge_eval::{self, Scorecard};
use shuyuan_knowledge::Scores;
use std::path::PathBuf;

/// Measure search and answers on a file of questions; fail where they fall below a bar
///
/// The file has JSON lines {"query": …, "rel": {DOCUMENT: GRADE}}: a document is named by its path or title, a higher grade
/// is better, no document at all means that the base does not say.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shuyuan kb eval questions.jsonl --answers --min-ndcg 0.8\n  shuyuan kb eval q.jsonl --docs docs.jsonl --embedder all-MiniLM-L6-v2"
)]
pub(crate) struct Eval {
    /// The questions
    questions: PathBuf,
    /// Search these documents instead: JSON lines {"id", "title", "text"}
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    /// The model that embeds them
    #[arg(long, value_name = "MODEL", requires = "docs")]
    embedder: Option<PathBuf>,
    /// Have the questions answered, too
    #[arg(long)]
    answers: bool,
    /// By this model [default: by the documents' own sentences]
    #[arg(long, value_name = "MODEL", requires = "answers")]
    model: Option<String>,
    /// Plant orders in the passages, and see how often the model follows them, with the guard and without
    #[arg(long, requires = "model", conflicts_with = "docs")]
    injections: bool,
    /// The least nDCG@10
    #[arg(long, value_name = "X")]
    min_ndcg: Option<f64>,
    /// The least share of questions with a right document among the first five
    #[arg(long, value_name = "X")]
    min_hit: Option<f64>,
    /// The least share of what the model wrote that is supported
    #[arg(long, value_name = "X", requires = "answers")]
    min_faithfulness: Option<f64>,
    /// The least share of citations that point into right documents
    #[arg(long, value_name = "X", requires = "answers")]
    min_citations: Option<f64>,
}

impl Eval {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        let academy = global.academy()?;
        let local = match &self.model {
            Some(name) => Some(models::load(&academy, Some(name))?.local()),
            None => None,
        };
        let answers = self.answers.then_some(local.as_ref());
        let card = knowledge_eval::run(
            &academy,
            &self.questions,
            self.docs.as_deref(),
            self.embedder.as_deref(),
            answers,
            self.injections,
            &STOP,
        )?;
        if global.json {
            out::json(&card)?;
        } else {
            self.show(&card)?;
        }
        self.judge(&card)
    }

    fn show(&self, card: &Scorecard) -> Result<()> {
        say!(
            "{DIM}{:8} {:>9} {:>8} {:>9} {:>6} {:>6}{RESET}",
            "",
            "questions",
            "nDCG@10",
            "recall@10",
            "hit@5",
            "MRR"
        )?;
        for (name, scores) in [("words", Some(&card.words)), ("hybrid", card.hybrid.as_ref())] {
            let Some(Scores { questions, ndcg_at_10, recall_at_10, hit_at_5, mrr }) = scores else {
                continue;
            };
            say!(
                "{BOLD}{name:8}{RESET} {questions:9} {ndcg_at_10:8.4} {recall_at_10:9.4} {hit_at_5:6.3} {mrr:6.3}"
            )?;
        }
        if let Some(answers) = &card.answers {
            say!(
                "answered {:.3}, rightly declined {:.3}, supported {:.3}, citations in right documents {:.3}",
                answers.answered,
                answers.declined,
                answers.faithfulness,
                answers.citation_precision
            )?;
        }
        if let Some(found) = &card.injections {
            let (with, without) = (found.with_guard, found.without_guard);
            say!(
                "planted orders followed: {with:.3} with the guard, {without:.3} without, of {} each",
                found.tried
            )?;
        }
        Ok(())
    }

    fn judge(&self, card: &Scorecard) -> Result<()> {
        let best = card.hybrid.as_ref().unwrap_or(&card.words);
        let answers = card.answers.unwrap_or_default();
        for (name, found, least) in [
            ("nDCG@10", best.ndcg_at_10, self.min_ndcg),
            ("hit@5", best.hit_at_5, self.min_hit),
            ("the supported share", answers.faithfulness, self.min_faithfulness),
            ("the share of right citations", answers.citation_precision, self.min_citations),
        ] {
            if let Some(least) = least
                && found < least
            {
                bail!("{name} is {found:.4}, below the bar of {least}");
            }
        }
        Ok(())
    }
}
