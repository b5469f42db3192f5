//! A model as a GGUF file that llama.cpp loads.
//!
//! Takes whatever a decoder has loaded, quantises it as llama-quantize would, and writes it under the names that llama.cpp's
//! converter gives. Before the weights are written, the settings are read back: what they cannot say is refused.

use super::mix::{Mix, Shape, fallback};
use super::vocabulary::Words;
use super::write::{GgufWriter, TensorSpec};
use super::{GgufError, Metadata};
use crate::decoder::{Naming, Outgoing, Role};
use crate::{Decoder, DecoderConfig, Family, MlpConfig};
use shuyuan_kernels::{BlockType, quantize};
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
    /// The chat template in Jinja. `None`: the tokenizer's, or ours if the vocabulary has its tokens.
    pub chat_template: Option<String>,
    /// By the name of a matrix in the file, the mean square of each number that its rows are multiplied with: one for each
    /// column, of each expert in turn where they are stacked. Matrices that are not named are quantised without.
    /// [`Decoder::importance`] measures it.
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
    /// What the file says that llama.cpp does not heed, a sentence each.
    pub notes: Vec<String>,
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

/// Writes a model with its vocabulary to `path`. Of the weights, some million numbers are in memory at a time.
///
/// # Errors
/// If the settings or the vocabulary are such that a GGUF file cannot hold them, the tokenizer has more tokens than the
/// embedding rows, an importance belongs to no matrix or has another length than its rows, a number is not finite or too large
/// for its format; or what the file system says.
pub fn export(
    path: &Path,
    model: &Decoder,
    words: Words<'_>,
    options: &ExportOptions,
) -> Result<ExportReport, GgufError> {
    let config = model.config();
    let outgoing = model.tensors(Naming::Gguf);
    check_importance(&outgoing, options)?;
    let shape = shape(config);
    let importance = !options.importance.is_empty();
    let exported = |tensor: &Outgoing| {
        let wanted = options.mix.wanted(tensor.role, shape, importance);
        let columns = tensor.shape[tensor.shape.len() - 1];
        let kind = fallback(wanted, columns);
        ExportedTensor {
            spec: TensorSpec { name: tensor.name.clone(), shape: tensor.shape.clone(), kind },
            wanted,
        }
    };
    let mut tensors: Vec<ExportedTensor> = outgoing.iter().map(exported).collect();

    let mut metadata = general(words, options, config.family)?;
    let settings = config.to_gguf(&mut metadata)?;
    metadata.insert("general.file_type", options.mix.file_type())?;
    metadata.insert("general.quantization_version", 2_u32)?;
    words.add_to(&mut metadata, config, options.chat_template.as_deref())?;

    let plain = |(name, numbers): &(&str, Vec<f32>)| ExportedTensor {
        spec: TensorSpec { name: name.to_string(), shape: vec![numbers.len()], kind: BlockType::F32 },
        wanted: BlockType::F32,
    };
    let first: Vec<ExportedTensor> = settings.iter().map(plain).collect();
    tensors.splice(0..0, first);
    let specs: Vec<TensorSpec> = tensors.iter().map(|tensor| tensor.spec.clone()).collect();
    let mut writer = GgufWriter::create(path, &metadata, &specs)?;
    for (name, numbers) in &settings {
        writer.tensor(name, &quantize(BlockType::F32, numbers, None))?;
    }
    check_settings(&writer, config)?;
    for (tensor, exported) in outgoing.iter().zip(&tensors[settings.len()..]) {
        write(&mut writer, tensor, &exported.spec, options)?;
    }
    let params = outgoing.iter().map(Outgoing::elements).sum();
    Ok(ExportReport { bytes: writer.finish()?, params, tensors, notes: config.unheeded_by_llama_cpp() })
}

fn shape(config: &DecoderConfig) -> Shape {
    let layers = config.num_hidden_layers();
    let experts = config.layers.iter().map(|layer| match layer.mlp {
        MlpConfig::Dense { .. } => 0,
        MlpConfig::Experts { experts, .. } => experts,
    });
    let grouped = config.num_attention_heads != config.num_key_value_heads;
    let llama = config.family.gguf_architecture() == "llama";
    Shape { layers, experts: experts.max().unwrap_or(0), is_70b: llama && layers == 80 && grouped }
}

/// What the file is about, in the converter's order. What another file says of the model beside is kept.
fn general(words: Words, options: &ExportOptions, family: Family) -> Result<Metadata, GgufError> {
    let mut all = Metadata::default();
    all.insert("general.architecture", family.gguf_architecture())?;
    all.insert("general.type", "model")?;
    all.insert("general.name", options.name.as_str())?;
    if let Words::Gguf(gguf) = words {
        let ours = ["file_type", "quantization_version", "alignment"];
        for (key, value) in gguf.metadata().iter() {
            let Some(name) = key.strip_prefix("general.") else { continue };
            if !ours.contains(&name) && all.get(key).is_none() {
                all.insert(key, value.clone())?;
            }
        }
    }
    Ok(all)
}

/// Reads back what the file says of the model.
fn check_settings(writer: &GgufWriter, config: &DecoderConfig) -> Result<(), GgufError> {
    let read =
        DecoderConfig::from_gguf(&writer.so_far()?).map_err(|error| GgufError::Config(error.to_string()))?;
    match config.with_scaled_queries().difference(&read) {
        None => Ok(()),
        Some((what, is, would_be)) => Err(GgufError::Config(format!(
            "a GGUF file of {} cannot say that {what} is {is}: it would be read as {would_be}. Export it as safetensors, to a \
             folder",
            config.family.architecture()
        ))),
    }
}

fn check_importance(tensors: &[Outgoing], options: &ExportOptions) -> Result<(), GgufError> {
    for (name, importance) in &options.importance {
        let refused = |what: String| GgufError::Tensor { name: name.clone(), what };
        let matrix = tensors.iter().find(|tensor| tensor.name == *name && tensor.role != Role::Exact);
        let Some(matrix) = matrix else {
            return Err(refused("it has importance but is no matrix of the model".into()));
        };
        let stacked = if let [experts, _, _] = matrix.shape[..] { experts } else { 1 };
        let wanted = stacked * matrix.shape[matrix.shape.len() - 1];
        if importance.len() != wanted {
            let found = importance.len();
            return Err(refused(format!("expected importance for {wanted} columns, found {found}")));
        }
        if let Some(x) = importance.iter().find(|x| !(x.is_finite() && **x >= 0.0)) {
            return Err(refused(format!("expected importance from 0 on, found {x}")));
        }
    }
    Ok(())
}

fn write(
    writer: &mut GgufWriter,
    tensor: &Outgoing,
    spec: &TensorSpec,
    options: &ExportOptions,
) -> Result<(), GgufError> {
    let (kind, columns) = (spec.kind, spec.shape[spec.shape.len() - 1]);
    let importance = options.importance.get(&spec.name);
    tensor.for_each_chunk(|expert, numbers| {
        check_numbers(&spec.name, kind, numbers)?;
        // One list for all pieces where they are not experts: queries, keys and values are multiplied with the same.
        let own = expert * columns..(expert + 1) * columns;
        let importance = importance.map(|all| all.get(own).unwrap_or(all));
        writer.append(&spec.name, &quantize(kind, numbers, importance))
    })
}

/// # Errors
/// If a number is not finite, or too large for a format.
pub(crate) fn check_numbers(name: &str, kind: BlockType, numbers: &[f32]) -> Result<(), GgufError> {
    let most = match kind {
        BlockType::F32 => f32::MAX,
        BlockType::Bf16 => half::bf16::MAX.to_f32(),
        _ => MOST,
    };
    match numbers.iter().find(|x| x.is_nan() || x.abs() > most) {
        None => Ok(()),
        Some(x) => Err(GgufError::Tensor {
            name: name.into(),
            what: format!("expected numbers up to {most}, which {kind} can hold, found {x}"),
        }),
    }
}
