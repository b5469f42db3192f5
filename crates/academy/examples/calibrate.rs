//! Trains on the world by a recipe and scores it.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
use shuyuan_academy::{Academy, Event, Home, Lang, LiveModel, stages};
use shuyuan_corpus::world::{Split, TASKS, World, accepts};
use std::sync::atomic::AtomicBool;
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let home = Home::open(std::path::Path::new(&args[1]))?;
    let vocab: usize = args[2].parse()?;
    let recipe = shuyuan_train::Recipe::load(std::path::Path::new(&args[3]))?;
    let tune = shuyuan_train::Recipe::load(std::path::Path::new(&args[4]))?;
    let academy = Academy::new(home.clone(), Lang::En);
    let stop = AtomicBool::new(false);
    let (_, live) = academy.events.subscribe();
    std::thread::spawn(move || {
        let mut last = 0;
        for event in live {
            match event {
                Event::Loss { step, tokens, seconds, loss, floor, tokens_per_s, .. } => {
                    if step >= last + 100 || step == 1 || step < last {
                        last = step;
                        println!(
                            "step {step} tokens {tokens} s {seconds:.1} loss {loss:.3} floor {floor:?} {tokens_per_s:.0} tok/s"
                        );
                    }
                }
                Event::Sample { prompt, text, .. } => println!("   {prompt:?} -> {text:?}"),
                Event::Stage { name, seconds, .. } => println!("{name} {seconds:.1}"),
                Event::Progress { .. } => {}
                other => println!("{other:?}"),
            }
        }
    });
    let text = home.root().join("world.jsonl");
    let chats = home.root().join("chats.jsonl");
    if !text.exists() {
        stages::world::write_file(1, 150_000, Split::Train, stages::world::Kind::All, &text)?;
        stages::world::write_file(2, 60_000, Split::Train, stages::world::Kind::Chats, &chats)?;
    }
    let tok = home.tokenizer(&format!("t{vocab}"));
    if !tok.exists() {
        stages::tokenizer::train(
            &academy,
            &stages::tokenizer::Options {
                inputs: vec![text.clone()],
                vocab_size: vocab,
                limit: Some(8 << 20),
                output: tok.clone(),
            },
            &stop,
        )?;
    }
    let corpus = home.corpus(&format!("c{vocab}"));
    stages::corpus::build(
        &academy,
        &stages::corpus::Options {
            inputs: vec![(text, 1.0)],
            tokenizer: tok,
            output: corpus.clone(),
            decontaminate: vec![],
            validation_share: 0.005,
            clean: true,
        },
        &stop,
    )?;
    for run in ["pretrain", "finetune"] {
        let _ = std::fs::remove_dir_all(home.run(run));
    }
    let world = World::new(1);
    let floor = world.floor(2000).all.per_byte();
    stages::pretrain::run(
        &academy,
        &stages::pretrain::Options {
            recipe,
            corpus,
            output: home.run("pretrain"),
            steps: None,
            minutes: None,
            resume: false,
            prompts: vec![],
            floor_per_byte: Some(floor),
        },
        &stop,
    )?;
    stages::finetune::run(
        &academy,
        &stages::finetune::Options {
            model: home.run("pretrain").join("model"),
            data: vec![chats],
            output: home.run("finetune"),
            recipe: tune,
            steps: None,
            minutes: None,
            resume: false,
            prompts: vec![],
            run: "finetune",
        },
        &stop,
    )?;
    for which in ["pretrain", "finetune"] {
        let live = LiveModel::load(&home.run(which).join("model"))?;
        for task in TASKS {
            let items = world.items(task, 100);
            let mut right = 0;
            for (i, item) in items.iter().enumerate() {
                let reply =
                    stages::answer(&live, &stages::Prompt::Ask(item.messages[0].content.clone()), 64)?;
                right += usize::from(accepts(item, &reply));
                if i < 2 {
                    println!("  {task}: {:?} -> {reply:?} want {:?}", item.messages[0].content, item.answer);
                }
            }
            println!("{which} {task} {:.3}", right as f64 / items.len() as f64);
        }
    }
    Ok(())
}
