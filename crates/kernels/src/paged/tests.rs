//! Against softmax by its definition, in f64.

use super::*;

fn random(seed: &mut u64) -> f32 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

struct Text {
    k: Vec<f32>,
    v: Vec<f32>,
    pages: Vec<Arc<Page>>,
}

fn text(shape: PageShape, length: usize, layer: usize, seed: &mut u64) -> Text {
    let width = shape.kv_heads * shape.head_dim;
    let mut numbers = || -> Vec<f32> { (0..length * width).map(|_| random(seed)).collect() };
    let (mut k, mut v) = (numbers(), numbers());
    if shape.half {
        let round = |x: &mut f32| *x = half::f16::from_f32(*x).to_f32();
        k.iter_mut().for_each(round);
        v.iter_mut().for_each(round);
    }
    let mut pages: Vec<Page> = (0..length.div_ceil(PAGE)).map(|_| Page::new(shape)).collect();
    for t in 0..length {
        let row = t * width..(t + 1) * width;
        pages[t / PAGE].write(layer, t % PAGE, &k[row.clone()], &v[row]);
    }
    Text { k, v, pages: pages.into_iter().map(Arc::new).collect() }
}

#[test]
fn it_is_softmax_over_what_is_seen() {
    let mut seed = 7;
    let cases = [
        // heads, kv_heads, d, half, window, softcap, both ways
        (4, 2, 16, false, None, None, false),
        (6, 2, 64, true, None, None, false),
        (9, 3, 24, false, Some(12), None, false),
        (4, 4, 40, true, Some(100), Some(3.0), false),
        (20, 1, 32, false, None, None, false),
        (2, 2, 32, false, None, None, true),
    ];
    for (heads, kv_heads, d, half, window, softcap, both_ways) in cases {
        let shape = PageShape { layers: 2, kv_heads, head_dim: d, half };
        let how = PagedAttention { layer: 1, heads, scale: 0.3, softcap, window, both_ways };
        let lengths = [(0, 1), (0, 70), (130, 3), (700, 1), (1100, 2), (5, 64)];
        let texts: Vec<Text> = lengths.iter().map(|(first, n)| text(shape, first + n, 1, &mut seed)).collect();
        let spans: Vec<Span> = texts
            .iter()
            .zip(lengths)
            .map(|(text, (first, tokens))| Span { pages: &text.pages, first, tokens })
            .collect();
        let n: usize = lengths.iter().map(|(_, n)| n).sum();
        let width = heads * d + 5;
        let q: Vec<f32> = (0..n * width).map(|_| 3.0 * random(&mut seed)).collect();
        let mut out = vec![0.0; n * heads * d];
        paged_attention(how, &spans, &q, width, &mut out);
        let mut row = 0;
        for (text, (first, tokens)) in texts.iter().zip(lengths) {
            for t in first..first + tokens {
                let from = if both_ways { 0 } else { window.map_or(0, |w: usize| (t + 1).saturating_sub(w)) };
                let to = if both_ways { first + tokens } else { t + 1 };
                for h in 0..heads {
                    let kv = |x: &[f32], s: usize| {
                        let at = (s * kv_heads + h / (heads / kv_heads)) * d;
                        x[at..at + d].to_vec()
                    };
                    let q = &q[row * width + h * d..][..d];
                    let scores: Vec<f64> = (from..to)
                        .map(|s| {
                            let dot: f64 = q.iter().zip(kv(&text.k, s)).map(|(q, k)| f64::from(*q * 0.3) * f64::from(k)).sum();
                            softcap.map_or(dot, |cap| f64::from(cap) * (dot / f64::from(cap)).tanh())
                        })
                        .collect();
                    let sum: f64 = scores.iter().map(|x| x.exp()).sum();
                    for i in 0..d {
                        let exact: f64 =
                            (from..to).zip(&scores).map(|(s, x)| x.exp() / sum * f64::from(kv(&text.v, s)[i])).sum();
                        let found = f64::from(out[(row * heads + h) * d + i]);
                        // f32 sums of a thousand terms below 1.
                        assert!((found - exact).abs() < 5e-6, "{heads}/{kv_heads} {d} {half} {t}: {found} for {exact}");
                    }
                }
                row += 1;
            }
        }
    }
}

#[test]
fn a_sequence_gets_the_same_alone() {
    let mut seed = 9;
    let shape = PageShape { layers: 1, kv_heads: 2, head_dim: 32, half: true };
    let how = PagedAttention { layer: 0, heads: 6, scale: 1.0, softcap: None, window: None, both_ways: false };
    let texts = [text(shape, 600, 0, &mut seed), text(shape, 90, 0, &mut seed)];
    let q: Vec<f32> = (0..2 * 192).map(|_| random(&mut seed)).collect();
    let spans = [
        Span { pages: &texts[0].pages, first: 599, tokens: 1 },
        Span { pages: &texts[1].pages, first: 89, tokens: 1 },
    ];
    let mut both = vec![0.0; 2 * 192];
    paged_attention(how, &spans, &q, 192, &mut both);
    for i in 0..2 {
        let mut alone = vec![0.0; 192];
        paged_attention(how, &spans[i..=i], &q[i * 192..][..192], 192, &mut alone);
        assert_eq!(alone, both[i * 192..][..192]);
    }
}
