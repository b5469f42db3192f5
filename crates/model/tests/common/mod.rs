//! What `goldens/model/record.py` wrote, and how far numbers lie apart.

use safetensors::SafeTensors;
use serde::Deserialize;
use shuyuan_model::Qwen3ForCausalLM;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Both models that were recorded.
pub const VARIANTS: [&str; 2] = ["tied", "untied"];

/// One model's folder, and what torch made of it.
pub struct Golden {
    pub variant: &'static str,
    pub dir: PathBuf,
    pub recorded: Recorded,
    /// `logits` (B, T, V), and `grad.NAME` of every parameter.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize)]
pub struct Recorded {
    pub batch: usize,
    pub tokens: usize,
    pub batches: Vec<Batch>,
    pub loss: f32,
    pub adamw: AdamW,
    pub losses: Vec<f32>,
    pub prompt: Vec<u32>,
    pub greedy: Vec<u32>,
}

#[derive(Deserialize)]
pub struct Batch {
    pub ids: Vec<u32>,
    /// −100 where there is nothing to predict, as in torch.
    pub targets: Vec<i64>,
}

#[derive(Deserialize)]
pub struct AdamW {
    pub lr: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub eps: f32,
    pub weight_decay: f32,
}

impl Batch {
    /// As our loss takes them.
    pub fn targets(&self) -> Arc<[u32]> {
        self.targets.iter().map(|target| u32::try_from(*target).unwrap_or(u32::MAX)).collect()
    }

    /// How many positions have something to predict.
    pub fn count(&self) -> f32 {
        self.targets.iter().filter(|target| **target >= 0).count() as f32
    }
}

impl Golden {
    pub fn read(variant: &'static str) -> Self {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../goldens/model").join(variant);
        let text = std::fs::read_to_string(dir.join("golden.json")).unwrap();
        let bytes = std::fs::read(dir.join("golden.safetensors")).unwrap();
        let numbers =
            |data: &[u8]| data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.iter().map(|(name, view)| (name.to_string(), numbers(view.data()))).collect();
        Self { variant, dir, recorded: serde_json::from_str(&text).unwrap(), tensors }
    }

    /// The model, without gradients.
    pub fn model(&self) -> Qwen3ForCausalLM {
        shuyuan_model::load(&self.dir, &shuyuan_tensor::cpu()).unwrap()
    }

    /// The same, to be served.
    pub fn decoder(&self) -> shuyuan_model::Decoder {
        shuyuan_model::Decoder::load(&self.dir).unwrap()
    }

    /// Logits of the first batch as torch has them, (B, T, V).
    pub fn logits(&self) -> &[f32] {
        &self.tensors["logits"]
    }
}

/// The largest difference; NaN where either side has one. Panics if lengths differ.
pub fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "lengths");
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, d| if d > worst || d.is_nan() { d } else { worst })
}

/// The largest magnitude.
pub fn largest(numbers: &[f32]) -> f32 {
    numbers.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The index of the largest number.
pub fn argmax(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    best.unwrap() as u32
}
