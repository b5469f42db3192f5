//! How well held-out text is predicted.

use crate::TrainError;
use shuyuan_corpus::Batch;
use shuyuan_model::Qwen3ForCausalLM;
use shuyuan_tensor::Precision;

/// Held-out batches and the length of each token in bytes.
#[derive(Clone, Debug)]
pub struct Validation {
    /// What to predict.
    pub batches: Vec<Batch>,
    /// By id; 0 for special tokens, whose prediction costs but carries no text.
    pub token_bytes: Vec<u32>,
}

/// Bits that the model needs for each byte of the batches' targets. `model` is on a device without gradients.
///
/// # Errors
/// If an id is unknown to the model.
pub fn bits_per_byte(
    model: &Qwen3ForCausalLM,
    validation: &Validation,
    precision: Precision,
) -> Result<f64, TrainError> {
    let (mut nats, mut bytes) = (0.0, 0u64);
    for batch in &validation.batches {
        model.check(&batch.inputs, batch.tokens)?;
        let targets = batch.targets.as_slice();
        let losses = model.losses(
            batch.inputs.as_slice().into(),
            batch.starts.as_slice().into(),
            targets.into(),
            batch.batch,
            precision,
        );
        nats += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        let lengths = targets.iter().filter_map(|&id| validation.token_bytes.get(id as usize));
        bytes += lengths.map(|&length| u64::from(length)).sum::<u64>();
    }
    Ok(nats / std::f64::consts::LN_2 / bytes.max(1) as f64)
}
