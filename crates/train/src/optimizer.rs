//! From gradients to steps, in place: Muon for the layers' matrices, AdamW for the rest.

use crate::grads::Grads;
use crate::{OptimizerKind, OptimizerRecipe, TrainError};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use shuyuan_model::{Config, ParamMapper, Qwen3ForCausalLM, map_params};
use shuyuan_tensor::{AdamW, Moments, Muon, MuonItem};
use std::collections::BTreeMap;
use std::path::Path;

const ADAM_EPS: f32 = 1e-8;

/// The optimizer's memory, on the model's device.
pub struct Optimizer {
    recipe: OptimizerRecipe,
    moments: BTreeMap<String, Moments>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Matrix,
    Embedding,
    Norm,
}

fn group(name: &str, dims: usize) -> Group {
    match dims {
        2 if name.contains(".layers.") => Group::Matrix,
        2 => Group::Embedding,
        _ => Group::Norm,
    }
}

/// The matrices of the layers, which Muon may teach, with their shapes.
pub(crate) fn matrices(config: &Config) -> BTreeMap<String, Vec<usize>> {
    let of_layers = |(name, shape): &(String, Vec<usize>)| group(name, shape.len()) == Group::Matrix;
    config.tensors().into_iter().filter(of_layers).collect()
}

impl Optimizer {
    /// One without memory.
    pub fn new(recipe: OptimizerRecipe) -> Self {
        Self { recipe, moments: BTreeMap::new() }
    }

    /// The model after step `step` (from 1) with the given gradients of norm `norm`, `factor` on every rate.
    pub(crate) fn step(
        &mut self,
        model: Qwen3ForCausalLM,
        grads: &Grads,
        norm: f64,
        step: u64,
        factor: f64,
    ) -> Qwen3ForCausalLM {
        let clip = self.recipe.clip;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 } as f32;
        let directions = self.directions(&model, grads, step, scale);
        let factor = factor as f32;
        map_params(model, &mut Step { optimizer: self, directions, grads, step, factor, scale })
    }

    /// Where Muon takes the matrices of the layers.
    fn directions(
        &mut self,
        model: &Qwen3ForCausalLM,
        grads: &Grads,
        step: u64,
        scale: f32,
    ) -> BTreeMap<String, Tensor<1>> {
        if self.recipe.kind != OptimizerKind::Muon {
            return BTreeMap::new();
        }
        // Nesterov's momentum rises as the run finds its way.
        let momentum = 0.85 + (self.recipe.momentum as f32 - 0.85) * (step as f32 / 300.0).min(1.0);
        let matrices = matrices(model.config());
        for (name, shape) in &matrices {
            let none =
                || Moments::none(shape[0] * shape[1], shape[0].max(shape[1]), &grads.get(name).device());
            self.moments.entry(name.clone()).or_insert_with(none);
        }
        let of_matrices = self.moments.iter_mut().filter_map(|(name, moments)| {
            let shape = matrices.get(name)?;
            Some((name.clone(), MuonItem { grad: grads.get(name), moments, rows: shape[0], cols: shape[1] }))
        });
        let (names, items): (Vec<String>, Vec<MuonItem>) = of_matrices.unzip();
        let directions = shuyuan_tensor::muon_directions(items, Muon { momentum, grad_scale: scale });
        names.into_iter().zip(directions).collect()
    }

    /// Writes the memory into `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors = Vec::new();
        for (name, moments) in &self.moments {
            for (moment, label) in [(&moments.first, "m"), (&moments.second, "v")] {
                let bytes = shuyuan_tensor::read(moment, |numbers| {
                    numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()
                });
                tensors.push((format!("{name}.{label}"), bytes.len() / 4, bytes));
            }
        }
        let views = tensors.iter().map(|(name, len, bytes)| {
            let view = TensorView::new(Dtype::F32, vec![*len], bytes)
                .unwrap_or_else(|error| panic!("{name}: a tensor does not fill its own shape: {error}"));
            (name.as_str(), view)
        });
        let bytes = safetensors::serialize(views, None)
            .map_err(|error| TrainError::Resume { path: path.to_path_buf(), what: error.to_string() })?;
        Ok(shuyuan_store::write_atomic(path, &bytes)?)
    }

    /// Reads the memory from `path` onto `device`.
    ///
    /// # Errors
    /// If the file is missing or not ours.
    pub(crate) fn load(recipe: OptimizerRecipe, path: &Path, device: &Device) -> Result<Self, TrainError> {
        let wrong = |what: String| TrainError::Resume { path: path.to_path_buf(), what };
        let bytes =
            std::fs::read(path).map_err(|source| TrainError::Io { path: path.to_path_buf(), source })?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| wrong(format!("expected the optimizer's safetensors file ({error})")))?;
        let mut moments: BTreeMap<String, Moments> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let Some((name, label)) = name.rsplit_once('.') else {
                return Err(wrong(format!("unknown tensor {name}")));
            };
            let data: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let len = data.len();
            let data = Tensor::from_data(TensorData::new(data, [len]), device);
            let moments = moments.entry(name.to_string()).or_insert_with(|| Moments::none(0, 0, device));
            *if label == "v" { &mut moments.second } else { &mut moments.first } = data;
        }
        let empty = |moments: &Moments| [&moments.first, &moments.second].iter().any(|m| m.dims() == [0]);
        if let Some((name, _)) = moments.iter().find(|(_, moments)| empty(moments)) {
            return Err(wrong(format!("expected both {name}.m and {name}.v, found one of them")));
        }
        Ok(Self { recipe, moments })
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    directions: BTreeMap<String, Tensor<1>>,
    grads: &'a Grads,
    step: u64,
    factor: f32,
    scale: f32,
}

impl ParamMapper for Step<'_> {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let recipe = &self.optimizer.recipe;
        let grad = self.grads.get(name);
        let group = group(name, D);
        let lr = match group {
            Group::Matrix => recipe.matrix_lr,
            Group::Embedding => recipe.embedding_lr,
            Group::Norm => recipe.norm_lr,
        };
        let lr = lr as f32 * self.factor;
        let decay = if group == Group::Matrix { recipe.weight_decay as f32 } else { 0.0 };
        if let Some(direction) = self.directions.remove(name) {
            return shuyuan_tensor::muon_apply(value, direction, lr, decay);
        }
        let how = AdamW {
            lr,
            betas: recipe.betas.map(|beta| beta as f32),
            eps: ADAM_EPS,
            weight_decay: decay,
            step: self.step,
            grad_scale: self.scale,
        };
        let [len] = grad.dims();
        let moments = self.optimizer.moments.remove(name);
        let moments = moments.unwrap_or_else(|| Moments::none(len, len, &grad.device()));
        let (value, moments) = shuyuan_tensor::adamw(value, grad, moments, how);
        self.optimizer.moments.insert(name.to_string(), moments);
        value
    }
}
