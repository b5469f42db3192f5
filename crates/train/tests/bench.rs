//! Steps on the clock. In a process of its own: what each operation took is counted over all that a process does.

use shuyuan_train::{Bench, OptimizerKind, Recipe};

#[test]
fn steps_learn_the_batch_and_shares_are_whole() {
    let config = Recipe::default().config(300);
    let mut losses = Vec::new();
    for (optimizer, recompute) in
        [(OptimizerKind::AdamW, false), (OptimizerKind::Muon, false), (OptimizerKind::Muon, true)]
    {
        let bench = Bench {
            config: config.clone(),
            batch: 2,
            tokens: 33,
            steps: 4,
            warmup: 2,
            optimizer,
            precision: "bf16".into(),
            recompute,
            device: shuyuan_tensor::cpu(),
        };
        let timing = bench.run(1).unwrap();
        assert!((timing.first_loss - 300f64.ln()).abs() < 0.5, "{timing:?}");
        assert!(timing.last_loss < timing.first_loss, "{timing:?}");
        assert!((timing.shares.values().sum::<f64>() - 1.0).abs() < 1e-9, "{timing:?}");
        assert!(timing.shares.values().all(|share| (0.0..1.0).contains(share)), "{timing:?}");
        assert!(timing.shares.contains_key("attention backward"), "{timing:?}");
        losses.push(timing.last_loss);
    }
    assert_eq!(losses[1].to_bits(), losses[2].to_bits(), "worked out again, the same comes out");
}
