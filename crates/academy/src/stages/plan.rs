//! What is settled and said before a run's first step: its recipe, its memory, its time.

use crate::{Academy, Lang, Level};
use anyhow::{Result, bail};
use shuyuan_corpus::{BatchConfig, Batches, Corpus, Split};
use shuyuan_model::Config;
use shuyuan_train::{Budget, Data, Plan, REHEARSED, Recipe, exchange_seconds, rehearse};

/// The shipped recipe that makes the most of the time, as foretold; says which and why.
pub(super) fn choose(academy: &Academy, corpus: &Corpus, vocab_size: usize, minutes: f64) -> Result<Recipe> {
    let shape = BatchConfig { batch: 8, tokens: 512, seed: 1, epochs: None };
    let mut data = Batches::new(corpus, Split::Train, shape)?;
    let budget = Budget {
        // What ranks do at once, one does in as many times the time.
        seconds: 60.0 * minutes * academy.team() as f64,
        tokens_per_epoch: data.tokens_per_epoch() as f64,
        bytes_per_token: bytes_per_token(corpus),
        vocab_size,
        peak: 1e9 * shuyuan_tensor::matmul_peak(&academy.device),
    };
    let choices = shuyuan_train::choose(&budget, |recipe, config| {
        let guess = Plan::new(recipe, config).flops_per_step / (0.5 * budget.peak);
        // No more than a hundredth of the time for each that is measured.
        if (REHEARSED as f64) * guess > 0.01 * budget.seconds {
            return Ok(None);
        }
        data.shape(recipe.train.batch, recipe.train.tokens);
        rehearse(recipe, config, &mut data, &academy.device)
    })?;
    let each = choices.iter().map(|choice| format!("{} {:.3}", choice.name, choice.bits_per_byte));
    let (best, each) = (&choices[0], each.collect::<Vec<_>>().join(", "));
    let text = match academy.lang {
        Lang::Zh => {
            format!("{minutes:.1} 分钟:选 recipes/{}.toml。预计到最后的比特每字节:{each}", best.name)
        }
        Lang::En => {
            format!("{minutes:.1} min: recipes/{}.toml. Bits per byte foretold at the end: {each}", best.name)
        }
    };
    academy.events.message(Level::Info, text);
    let plan = Plan::new(&best.recipe, &best.recipe.config(vocab_size));
    let tokens = budget.seconds / best.seconds_per_step * plan.tokens_per_step as f64;
    let enough = tokens / budget.tokens_per_epoch;
    if let Some(most) = best.recipe.train.passes.filter(|most| enough > *most) {
        let text = match academy.lang {
            Lang::Zh => format!(
                "时间够把这些文字读 {enough:.1} 遍,但读过 {most} 遍就只是在背诵:到那时提前结束。想用满时间,请加文字。"
            ),
            Lang::En => format!(
                "There is time for {enough:.1} passes over this text, but past {most} it is only learned by heart: the run \
                 ends there. To use all of the time, add text."
            ),
        };
        academy.events.message(Level::Info, text);
    }
    Ok(best.recipe.clone())
}

/// The vocabulary that makes the most of the time for `bytes` of text, as foretold; says which.
pub(super) fn vocabulary(academy: &Academy, bytes: u64, minutes: f64) -> Result<usize> {
    let seconds = 60.0 * minutes * academy.team() as f64;
    let peak = 1e9 * shuyuan_tensor::matmul_peak(&academy.device);
    let vocab_size = shuyuan_train::vocabulary(seconds, bytes as f64, peak)?;
    let text = match academy.lang {
        Lang::Zh => format!("{minutes:.1} 分钟:选 {vocab_size} 个词元的词表。"),
        Lang::En => format!("{minutes:.1} min: a vocabulary of {vocab_size} tokens."),
    };
    academy.events.message(Level::Info, text);
    Ok(vocab_size)
}

/// Bytes of text in a token of this corpus.
pub(super) fn bytes_per_token(corpus: &Corpus) -> f64 {
    let report = &corpus.manifest().report;
    let bytes: u64 = report.sources.iter().map(|source| source.bytes_kept).sum();
    bytes as f64 / (report.tokens + report.validation_tokens).max(1) as f64
}

/// Multiplies in f32 where the device has no bf16, and says which device it is if not the CPU.
pub(super) fn for_device(academy: &Academy, recipe: &mut Recipe) {
    let device = &academy.device;
    if shuyuan_tensor::is_cpu(device) {
        return;
    }
    let mut cards = std::iter::once(device).chain(&academy.cards);
    let name = cards.clone().map(shuyuan_tensor::device_name).collect::<Vec<_>>();
    let name = name.join(academy.lang.pick("、", ", "));
    let lacking = recipe.train.precision == "bf16" && !cards.all(shuyuan_tensor::has_bf16);
    if lacking {
        recipe.train.precision = "f32".into();
    }
    let text = match (academy.lang, lacking) {
        (Lang::Zh, false) => format!("在 {name} 上训练。"),
        (Lang::Zh, true) => format!("在 {name} 上训练;它没有 bf16,乘法改用 f32。"),
        (Lang::En, false) => format!("Training on {name}."),
        (Lang::En, true) => format!("Training on {name}; it has no bf16, products are of f32."),
    };
    academy.events.message(Level::Info, text);
}

/// Makes a run small enough for the memory that is free, and says how: fewer rows at a time, unless it has `begun`; layers
/// worked out again.
pub(super) fn within_memory(
    academy: &Academy,
    recipe: &mut Recipe,
    config: &Config,
    begun: Option<&Recipe>,
) -> Result<Plan> {
    let ranks = academy.team();
    // What a GPU has free it does not say.
    if !shuyuan_tensor::is_cpu(&academy.device) {
        return Ok(Plan::new(recipe, config).shared(ranks));
    }
    if let Some(begun) = begun {
        while recipe.train.batch > begun.train.batch && recipe.halve() {}
    }
    let (asked, kept) = (recipe.train.batch, !recipe.train.recompute);
    let plan = match begun {
        Some(_) => Plan::fitting_on(recipe, config, ranks)?,
        None => Plan::fitting(recipe, config, ranks)?,
    };
    let (batch, parts) = (recipe.train.batch, recipe.train.accumulation);
    if batch != asked {
        let text = match academy.lang {
            Lang::Zh => {
                format!("内存放不下每次 {asked} 行:改为每次 {batch} 行,每步 {parts} 次,结果相当。")
            }
            Lang::En => format!(
                "{asked} rows at a time do not fit into memory: {batch} at a time, {parts} times a step, come to the same."
            ),
        };
        academy.events.message(Level::Warn, text);
    }
    if kept && recipe.train.recompute {
        let text = academy.lang.pick(
            "内存放不下各层的中间结果:反向时重新计算,每步约慢三分之一,结果相同。",
            "What layers keep does not fit into memory: it is worked out again on the way back, a third slower, to the same result.",
        );
        academy.events.message(Level::Warn, text);
    }
    Ok(plan)
}

/// Sets how long a run lasts, where the caller says so.
pub(super) fn with_length(recipe: &mut Recipe, steps: Option<u64>, minutes: Option<f64>) -> Result<()> {
    if steps.is_some() || minutes.is_some() {
        recipe.train.steps = steps;
        recipe.train.minutes = minutes;
    }
    if recipe.train.steps.is_none() && recipe.train.minutes.is_none() {
        bail!("how long? Set train.steps or train.minutes in the recipe, or give --steps or --minutes");
    }
    recipe.validate().map_err(|what| anyhow::anyhow!("recipe: {what}"))
}

/// Tells what a run will need, and how long it takes or how far it comes: as measured in a few steps on `data` that are not
/// its own, unless those would take more than a fiftieth of it. Returns what this machine does at most, in FLOP/s.
pub(super) fn tell_plan(
    academy: &Academy,
    recipe: &Recipe,
    config: &Config,
    plan: &Plan,
    data: Option<&mut dyn Data>,
) -> Result<f64> {
    let peak = 1e9 * shuyuan_tensor::matmul_peak(&academy.device);
    // Half the peak is what small models reach.
    let guess = plan.flops_per_step / (0.5 * peak);
    let within = |seconds: f64| recipe.train.minutes.map(|minutes| (60.0 * minutes / seconds) as u64);
    let passes = recipe.train.passes.zip(data.as_ref()).map(|(passes, data)| {
        (passes * data.tokens_per_epoch() as f64 / plan.tokens_per_step as f64).ceil() as u64
    });
    let steps = |seconds| [within(seconds), recipe.train.steps, passes].into_iter().flatten().min();
    let seconds = match data {
        Some(data) if steps(guess).is_some_and(|steps| steps >= 50 * REHEARSED) => {
            let between = match &academy.ranks {
                Some(ranks) if ranks.size() > 1 => exchange_seconds(ranks.as_ref(), plan.params)?,
                _ => 0.0,
            };
            rehearse(recipe, config, data, &academy.device)?.map(|seconds| seconds + between)
        }
        _ => None,
    };
    let length = match seconds.and_then(|seconds| Some((seconds, steps(seconds)?))) {
        Some((seconds, steps)) => {
            let minutes = steps as f64 * seconds / 60.0;
            match academy.lang {
                Lang::Zh => format!("约 {steps} 步,{minutes:.1} 分钟"),
                Lang::En => format!("about {steps} steps in {minutes:.1} min"),
            }
        }
        None => {
            let steps =
                recipe.train.steps.map(|steps| format!("{steps} {}", academy.lang.pick("步", "steps")));
            let minutes = recipe
                .train
                .minutes
                .map(|minutes| format!("{minutes:.1} {}", academy.lang.pick("分钟", "min")));
            steps.or(minutes).unwrap_or_default()
        }
    };
    let (millions, tokens, memory) = (plan.params as f64 / 1e6, plan.tokens_per_step, plan.memory_mib);
    let ranks = academy.team();
    let gflop = plan.flops_per_step * ranks as f64 / 1e9;
    let shared = match academy.lang {
        _ if ranks == 1 => String::new(),
        Lang::Zh if academy.ranks.is_none() => format!(",由 {ranks} 块卡分担"),
        Lang::En if academy.ranks.is_none() => format!(", shared by {ranks} cards"),
        Lang::Zh => format!(",由 {ranks} 个进程分担"),
        Lang::En => format!(", shared by {ranks} ranks"),
    };
    let text = match academy.lang {
        Lang::Zh => format!(
            "{millions:.1} M 参数,每步 {tokens} 词元({gflop:.0} GFLOP{shared}),约需内存 {memory} MiB;{length}"
        ),
        Lang::En => format!(
            "{millions:.1} M parameters, {tokens} tokens a step ({gflop:.0} GFLOP{shared}), about {memory} MiB of memory; {length}"
        ),
    };
    academy.events.message(Level::Info, text);
    Ok(peak)
}
