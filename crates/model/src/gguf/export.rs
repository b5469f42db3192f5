//! A Qwen3 model as a GGUF file that llama.cpp loads.
//!
//! Takes tensors by their Hugging Face names, quantizes them as llama-quantize would, and writes them under the names that
//! llama.cpp's converter gives. Rotary pairs lie the same way in both, so no rows are reordered.

use super::mix::{Mix, Role, fallback};
use super::vocabulary::add_vocabulary;
use super::write::{GgufWriter, TensorSpec};
use super::{GgufError, Metadata};
use crate::{Config, Qwen3ForCausalLM, for_each_param};
use shuyuan_kernels::{BlockType, quantize};
use shuyuan_text::{CHAT_TEMPLATE, IM_END, IM_START, Tokenizer};
use std::collections::BTreeMap;
use std::path::Path;

/// The largest number that half precision has. Scales of blocks are such numbers.
const MOST: f32 = 65_504.0;

/// What can be chosen about an export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How the matrices are stored.
    pub mix: Mix,
    /// The model's name, for people.
    pub name: String,
    /// The chat template in Jinja. `None`: ours, if the vocabulary has its tokens.
    pub chat_template: Option<String>,
    /// By Hugging Face's name of a matrix, the mean square of each number that its rows are multiplied with: one for each
    /// column. Matrices that are not named are quantized without.
    pub importance: BTreeMap<String, Vec<f32>>,
}

impl ExportOptions {
    /// A mix and a name, and nothing out of the ordinary.
    pub fn new(mix: Mix, name: impl Into<String>) -> Self {
        Self { mix, name: name.into(), chat_template: None, importance: BTreeMap::new() }
    }
}

/// What an export did.
#[derive(Clone, Debug)]
pub struct ExportReport {
    /// Bytes of the file.
    pub bytes: u64,
    /// Weights in it.
    pub params: usize,
    /// Each tensor, in the order of the file.
    pub tensors: Vec<ExportedTensor>,
}

impl ExportReport {
    /// The tensors whose rows were no whole blocks of the format that the mix gives them.
    pub fn fallbacks(&self) -> impl Iterator<Item = &ExportedTensor> {
        self.tensors.iter().filter(|tensor| tensor.spec.kind != tensor.wanted)
    }
}

/// One tensor of an export.
#[derive(Clone, Debug)]
pub struct ExportedTensor {
    /// Its name, shape and format in the file.
    pub spec: TensorSpec,
    /// The format that the mix gives it. Another is used where rows are no whole blocks of this one.
    pub wanted: BlockType,
}

/// Writes a model with its tokenizer to `path`.
///
/// # Errors
/// As [`Exporter`]'s.
pub fn export(
    path: &Path,
    model: &Qwen3ForCausalLM,
    tokenizer: &Tokenizer,
    options: ExportOptions,
) -> Result<ExportReport, GgufError> {
    let mut exporter = Exporter::create(path, model.config(), tokenizer, options)?;
    let mut failed = None;
    for_each_param(model, |name, shape, data| {
        if failed.is_none() {
            failed = exporter.tensor(name, shape, data).err();
        }
    });
    match failed {
        Some(error) => Err(error),
        None => exporter.finish(),
    }
}

/// An export in the making, for tensors that come one by one: at no time is more than one in memory.
#[derive(Debug)]
pub struct Exporter {
    writer: GgufWriter,
    options: ExportOptions,
    /// Hugging Face's names to positions in `tensors`.
    index: BTreeMap<String, usize>,
    tensors: Vec<ExportedTensor>,
}

impl Exporter {
    /// Starts the file that will be `path`.
    ///
    /// # Errors
    /// If the configuration cannot be, the tokenizer has more tokens than the embedding rows, an importance belongs to no
    /// matrix or has another length than its rows; or what the file system says.
    pub fn create(
        path: &Path,
        config: &Config,
        tokenizer: &Tokenizer,
        options: ExportOptions,
    ) -> Result<Self, GgufError> {
        config.validate().map_err(|error| GgufError::Config(error.to_string()))?;
        let mut tensors = Vec::new();
        let mut index = BTreeMap::new();
        for (name, shape) in config.tensors() {
            let Some((ggml_name, role)) = place(&name, config.tie_word_embeddings) else {
                unreachable!("Config::tensors lists {name}, which Qwen3 does not have")
            };
            let columns = shape[shape.len() - 1];
            let wanted = options.mix.wanted(role, config.num_hidden_layers, !options.importance.is_empty());
            let spec = TensorSpec { name: ggml_name, shape, kind: fallback(wanted, columns) };
            index.insert(name, tensors.len());
            tensors.push(ExportedTensor { spec, wanted });
        }
        for (name, importance) in &options.importance {
            let refused = |what: String| GgufError::Tensor { name: name.clone(), what };
            let shape = index.get(name).map(|&at| &tensors[at].spec.shape).filter(|shape| shape.len() == 2);
            let Some(shape) = shape else {
                return Err(refused("it has importance but is no matrix of the model".into()));
            };
            if importance.len() != shape[1] {
                let found = importance.len();
                return Err(refused(format!("expected importance for {} columns, found {found}", shape[1])));
            }
            if let Some(x) = importance.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
                return Err(refused(format!("expected importance from 0 on, found {x}")));
            }
        }
        let metadata = metadata(config, tokenizer, &options)?;
        let specs: Vec<TensorSpec> = tensors.iter().map(|tensor| tensor.spec.clone()).collect();
        let writer = GgufWriter::create(path, &metadata, &specs)?;
        Ok(Self { writer, options, index, tensors })
    }

    /// Writes a tensor, given by its Hugging Face name. They may come in any order.
    ///
    /// # Errors
    /// If the model has no such tensor, its shape is another, it came before, or one of its numbers is not finite or too
    /// large for its format; or what the file system says.
    pub fn tensor(&mut self, name: &str, shape: &[usize], data: &[f32]) -> Result<(), GgufError> {
        let refused = |what: String| GgufError::Tensor { name: name.into(), what };
        let Some(&at) = self.index.get(name) else {
            return Err(refused("the model has no such tensor".into()));
        };
        let spec = &self.tensors[at].spec;
        if shape != spec.shape || data.len() != shape.iter().product::<usize>() {
            return Err(refused(format!(
                "expected shape {:?}, found {shape:?} with {} numbers",
                spec.shape,
                data.len()
            )));
        }
        let most = match spec.kind {
            BlockType::F32 => f32::MAX,
            BlockType::Bf16 => half::bf16::MAX.to_f32(),
            _ => MOST,
        };
        if let Some(x) = data.iter().find(|x| x.is_nan() || x.abs() > most) {
            let kind = spec.kind;
            return Err(refused(format!("expected numbers up to {most}, which {kind} can hold, found {x}")));
        }
        let importance = self.options.importance.get(name).map(Vec::as_slice);
        self.writer.tensor(&spec.name, &quantize(spec.kind, data, importance))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If a tensor is missing; or what the file system says.
    pub fn finish(self) -> Result<ExportReport, GgufError> {
        let params = self.tensors.iter().map(|tensor| tensor.spec.shape.iter().product::<usize>()).sum();
        Ok(ExportReport { bytes: self.writer.finish()?, params, tensors: self.tensors })
    }
}

/// The name that llama.cpp has for a tensor, and what it does.
fn place(name: &str, tied: bool) -> Option<(String, Role)> {
    let own = |name: &str, role| Some((name.to_string(), role));
    match name {
        "model.embed_tokens.weight" => {
            return own("token_embd.weight", if tied { Role::Output } else { Role::Matrix });
        }
        "model.norm.weight" => return own("output_norm.weight", Role::Norm),
        "lm_head.weight" => return own("output.weight", Role::Output),
        _ => {}
    }
    let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (part, role) = match part.strip_suffix(".weight")? {
        "input_layernorm" => ("attn_norm", Role::Norm),
        "self_attn.q_proj" => ("attn_q", Role::Matrix),
        "self_attn.k_proj" => ("attn_k", Role::Matrix),
        "self_attn.v_proj" => ("attn_v", Role::Value(layer)),
        "self_attn.o_proj" => ("attn_output", Role::Matrix),
        "self_attn.q_norm" => ("attn_q_norm", Role::Norm),
        "self_attn.k_norm" => ("attn_k_norm", Role::Norm),
        "post_attention_layernorm" => ("ffn_norm", Role::Norm),
        "mlp.gate_proj" => ("ffn_gate", Role::Matrix),
        "mlp.up_proj" => ("ffn_up", Role::Matrix),
        "mlp.down_proj" => ("ffn_down", Role::Down(layer)),
        _ => return None,
    };
    Some((format!("blk.{layer}.{part}.weight"), role))
}

/// What llama.cpp asks of a `qwen3` file, in its converter's order.
fn metadata(config: &Config, tokenizer: &Tokenizer, options: &ExportOptions) -> Result<Metadata, GgufError> {
    let mut m = Metadata::default();
    m.insert("general.architecture", "qwen3")?;
    m.insert("general.type", "model")?;
    m.insert("general.name", options.name.as_str())?;
    for (key, size) in [
        ("block_count", config.num_hidden_layers),
        ("context_length", config.max_position_embeddings),
        ("embedding_length", config.hidden_size),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("attention.head_count_kv", config.num_key_value_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
    ] {
        // Config::validate keeps them below 2^24.
        m.insert(format!("qwen3.{key}"), size as u32)?;
    }
    m.insert("qwen3.rope.freq_base", config.rope_theta as f32)?;
    m.insert("qwen3.attention.layer_norm_rms_epsilon", config.rms_norm_eps as f32)?;
    m.insert("general.file_type", options.mix.file_type())?;
    m.insert("general.quantization_version", 2_u32)?;
    add_vocabulary(&mut m, tokenizer, config.vocab_size, config.eos_token_id)?;
    let chat = [IM_START, IM_END].iter().all(|text| tokenizer.special(text).is_some());
    let template = options.chat_template.as_deref().or(chat.then_some(CHAT_TEMPLATE));
    if let Some(template) = template {
        m.insert("tokenizer.chat_template", template)?;
    }
    Ok(m)
}
