//! How fast the cache goes by when one token is written after many: attention of one position in all layers of a model.
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
        let (q, mut out) = (vec![0.1; heads * head_dim], vec![0.0; heads * head_dim]);
        let mut best = f64::INFINITY;
        for _ in 0..7 {
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
                let span = Span { pages: &pages, first: positions - 1, tokens: 1 };
                paged_attention(how, &[span], &q, q.len(), &mut out);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let bytes = (pages.len() * shape.bytes()) as f64;
        println!(
            "{heads} heads over {kv_heads} of {head_dim}: {:6.2} ms, {:5.1} GB/s",
            best * 1e3,
            bytes / best / 1e9
        );
    }
}
