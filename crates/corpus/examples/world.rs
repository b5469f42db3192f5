//! Prints documents of the built-in corpus: `cargo run --release -p shuyuan-corpus --example world -- one_fact 5`,
//! or, without arguments, its size and the floor of the loss by trade.

use shuyuan_corpus::Example;
use shuyuan_corpus::world::{Document, Split, Trade, World};

fn main() {
    let world = World::new(0);
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        let start = std::time::Instant::now();
        let floor = world.floor(100_000);
        let seconds = start.elapsed().as_secs_f64();
        println!("{:12} documents  bytes/doc  nats/doc  nats/byte", "trade");
        for (name, rate) in
            floor.trades.iter().map(|(trade, rate)| (trade.name(), rate)).chain([("all", &floor.all)])
        {
            let bytes = rate.bytes as f64 / rate.documents as f64;
            println!(
                "{name:12} {:9}  {bytes:9.0}  {:8.1}  {:9.3}",
                rate.documents,
                rate.per_document(),
                rate.per_byte()
            );
        }
        println!("{:.1} MB/s on one thread", floor.all.bytes as f64 / 1e6 / seconds);
        for task in shuyuan_corpus::world::TASKS {
            println!("baseline of {task}: {:.3}", world.baseline(task));
        }
        return;
    };
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(5);
    let split = if arguments.next().as_deref() == Some("test") { Split::Test } else { Split::Train };
    let trade = Trade::ALL.into_iter().find(|trade| trade.name() == name);
    for index in 0..count {
        show(&match trade {
            Some(trade) => world.document_of(trade, split, index),
            None => world.document(split, index),
        });
    }
}

fn show(document: &Document) {
    println!("— {}, {:.1} nats", document.trade.name(), document.nats);
    match &document.example {
        Example::Text { text } => println!("{text}"),
        Example::Chat { messages } => {
            for message in messages {
                println!("{:?}: {}", message.role, message.content);
            }
        }
    }
}
