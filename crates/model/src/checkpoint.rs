//! Models on disk, in Hugging Face's layout: config.json, generation_config.json, model.safetensors.

use crate::{Config, ModelError, ParamMapper, Qwen3ForCausalLM, for_each_param, map_params};
use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

const WEIGHTS: &str = "model.safetensors";

/// Writes a model into the folder `dir`, which exists: give a staged folder to publish it at once.
///
/// # Errors
/// What the file system says.
pub fn save(model: &Qwen3ForCausalLM, dir: &Path) -> Result<(), ModelError> {
    let config = model.config();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for_each_param(model, |name, shape, data| {
        let bytes = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.push((name.to_string(), shape.to_vec(), bytes));
    });
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .unwrap_or_else(|error| panic!("{name}: a tensor does not fill its own shape: {error}"));
        (name.as_str(), view)
    });
    let metadata = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| ModelError::Invalid { path: dir.join(WEIGHTS), what: error.to_string() })?;
    shuyuan_store::write_atomic(&dir.join(WEIGHTS), &bytes)?;
    shuyuan_store::write_atomic(&dir.join("config.json"), config.to_json().as_bytes())?;
    let generation = serde_json::json!({ "eos_token_id": config.eos_token_id, "do_sample": false });
    shuyuan_store::write_atomic(&dir.join("generation_config.json"), format!("{generation:#}\n").as_bytes())?;
    Ok(())
}

/// Reads the model in the folder `dir` to `device`.
///
/// # Errors
/// Names every tensor that is missing, unknown or misshapen, and any file that is not what its name says.
pub fn load(dir: &Path, device: &Device) -> Result<Qwen3ForCausalLM, ModelError> {
    let config_path = dir.join("config.json");
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_path_buf(), source })
    };
    let invalid = |path: &Path, what: String| ModelError::Invalid { path: path.to_path_buf(), what };
    let text = String::from_utf8(read(&config_path)?)
        .map_err(|_| invalid(&config_path, "expected JSON, found bytes that are not UTF-8".into()))?;
    let config = Config::from_json(&text).map_err(|error| invalid(&config_path, error.to_string()))?;

    let path = dir.join(WEIGHTS);
    let bytes = read(&path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        invalid(&path, format!("expected a safetensors file, found something else ({error})"))
    })?;
    let mut problems = Vec::new();
    let mut weights = BTreeMap::new();
    let wanted: BTreeMap<_, _> = config.tensors().into_iter().collect();
    for (name, shape) in &wanted {
        match file.tensor(name) {
            Err(_) => problems.push(format!("  missing   {name} {shape:?}")),
            Ok(view) if view.shape() != shape => {
                problems.push(format!("  misshapen {name}: expected {shape:?}, found {:?}", view.shape()));
            }
            Ok(view) => match to_f32(&view) {
                Ok(data) => drop(weights.insert(name.clone(), data)),
                Err(what) => problems.push(format!("  unusable  {name}: {what}")),
            },
        }
    }
    for (name, view) in file.tensors() {
        // Some tools write the tied output layer a second time.
        let tied = config.tie_word_embeddings && name == "lm_head.weight";
        if !wanted.contains_key(&name) && !tied {
            problems.push(format!("  unknown   {name} {:?}", view.shape()));
        }
    }
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(20);
        problems.truncate(20);
        if more > 0 {
            problems.push(format!("  and {more} more"));
        }
        return Err(ModelError::Tensors { path, problems });
    }
    let model = Qwen3ForCausalLM::zeros(&config, device)?;
    let mut set = Set { weights };
    let model = map_params(model, &mut set);
    match set.weights.keys().next() {
        None => Ok(model),
        Some(name) => Err(invalid(&path, format!("{name} was read but has no place in the model"))),
    }
}

fn to_f32(view: &TensorView) -> Result<Vec<f32>, String> {
    let bytes = view.data();
    Ok(match view.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::BF16 => bytes
            .chunks_exact(2)
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
            .collect(),
        Dtype::F16 => {
            bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        other => return Err(format!("expected F32, BF16 or F16, found {other:?}")),
    })
}

/// Fills a module with numbers by name.
pub(crate) struct Set {
    pub(crate) weights: BTreeMap<String, Vec<f32>>,
}

impl ParamMapper for Set {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let Some(data) = self.weights.remove(name) else { panic!("{name} is not listed by Config::tensors") };
        shuyuan_tensor::update(value, |numbers| numbers.copy_from_slice(&data))
    }
}
