//! Attention to a cache in all layers of a model: how fast it goes by when one token is written after many, and how fast the
//! arithmetic is when 64 are read.
//!
//! cargo run --release --example paged_speed -- [positions] [threads]

use shuyuan_kernels::{PAGE, Page, PageShape, PagedAttention, Span, paged_attention, threads};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let positions: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(16_000);
    if let Some(count) = std::env::args().nth(2).and_then(|text| text.parse().ok()) {
        shuyuan_kernels::set_threads(count);
    }
    println!("{} threads, {positions} positions, 12 layers", threads());
    for (heads, kv_heads, head_dim) in [(12, 4, 64), (16, 4, 64), (32, 4, 64), (16, 8, 128), (8, 8, 64)] {
        let shape = PageShape { layers: 12, kv_heads, head_dim, half: true };
        let mut page = Page::new(shape);
        let numbers: Vec<f32> = (0..kv_heads * head_dim).map(|i| (i % 7) as f32 / 8.0 - 0.4).collect();
        for layer in 0..12 {
            (0..PAGE).for_each(|slot| page.write(layer, slot, &numbers, &numbers));
        }
        let pages: Vec<Arc<Page>> = (0..positions.div_ceil(PAGE)).map(|_| Arc::new(page.clone())).collect();
        let time = |tokens: usize| {
            let width = heads * head_dim;
            let (q, mut out) = (vec![0.1; tokens * width], vec![0.0; tokens * width]);
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let start = Instant::now();
                for layer in 0..12 {
                    let how = PagedAttention {
                        layer,
                        heads,
                        scale: 0.125,
                        softcap: None,
                        window: None,
                        both_ways: false,
                    };
                    let span = Span { pages: &pages, first: positions - tokens, tokens };
                    paged_attention(how, &[span], &q, width, &mut out);
                }
                best = best.min(start.elapsed().as_secs_f64());
            }
            best
        };
        let (one, many) = (time(1), time(64));
        let bytes = (pages.len() * shape.bytes()) as f64;
        let flop = (12 * 64 * heads * positions * 4 * head_dim) as f64;
        println!(
            "{heads} heads over {kv_heads} of {head_dim}: one {:6.2} ms, {:5.1} GB/s; 64 {:7.2} ms, {:4.0} GFLOP/s",
            one * 1e3,
            bytes / one / 1e9,
            many * 1e3,
            flop / many / 1e9
        );
    }
}
