//! From gradients to steps, in place: Muon for the layers' matrices, AdamW for the rest.

use crate::grads::Grads;
use crate::{OptimizerKind, OptimizerRecipe, TrainError};
use burn::tensor::Tensor;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use shuyuan_kernels::{MuonMoments, adamw, muon_apply, muon_direction};
use shuyuan_model::{Config, ParamMapper, Qwen3ForCausalLM, map_params};
use std::collections::BTreeMap;
use std::path::Path;

const ADAM_EPS: f32 = 1e-8;

/// The optimizer's memory: for each parameter a first moment and a second, which for Muon is one number a row or column.
pub struct Optimizer {
    recipe: OptimizerRecipe,
    moments: BTreeMap<String, [Vec<f32>; 2]>,
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

    /// Where Muon takes the matrices of the layers, each worked out by one thread.
    fn directions(
        &mut self,
        model: &Qwen3ForCausalLM,
        grads: &Grads,
        step: u64,
        scale: f32,
    ) -> BTreeMap<String, Vec<f32>> {
        if self.recipe.kind != OptimizerKind::Muon {
            return BTreeMap::new();
        }
        // Nesterov's momentum rises as the run finds its way.
        let momentum = 0.85 + (self.recipe.momentum as f32 - 0.85) * (step as f32 / 300.0).min(1.0);
        let matrices = matrices(model.config());
        for name in matrices.keys() {
            self.moments.entry(name.clone()).or_default();
        }
        let moments = self.moments.iter_mut();
        let work: Vec<_> = moments
            .filter_map(|(name, moments)| matrices.get(name).map(|shape| (name, moments, shape[0], shape[1])))
            .collect();
        let direction = |(name, [first, second], rows, cols): (&String, &mut [Vec<f32>; 2], usize, usize)| {
            let moments = MuonMoments { first, second };
            (name.clone(), muon_direction(grads.get(name), moments, rows, cols, momentum, scale))
        };
        work.into_par_iter().with_max_len(1).map(direction).collect()
    }

    /// Writes the memory into `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors = Vec::new();
        for (name, moments) in &self.moments {
            for (moment, label) in moments.iter().zip(["m", "v"]) {
                let bytes: Vec<u8> = moment.iter().flat_map(|x| x.to_le_bytes()).collect();
                tensors.push((format!("{name}.{label}"), moment.len(), bytes));
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

    /// Reads the memory from `path`.
    ///
    /// # Errors
    /// If the file is missing or not ours.
    pub(crate) fn load(recipe: OptimizerRecipe, path: &Path) -> Result<Self, TrainError> {
        let wrong = |what: String| TrainError::Resume { path: path.to_path_buf(), what };
        let bytes =
            std::fs::read(path).map_err(|source| TrainError::Io { path: path.to_path_buf(), source })?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| wrong(format!("expected the optimizer's safetensors file ({error})")))?;
        let mut moments: BTreeMap<String, [Vec<f32>; 2]> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let Some((name, label)) = name.rsplit_once('.') else {
                return Err(wrong(format!("unknown tensor {name}")));
            };
            let data =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let slot = usize::from(label == "v");
            moments.entry(name.to_string()).or_default()[slot] = data;
        }
        Ok(Self { recipe, moments })
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    directions: BTreeMap<String, Vec<f32>>,
    grads: &'a Grads,
    step: u64,
    factor: f32,
    scale: f32,
}

impl ParamMapper for Step<'_> {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let recipe = &self.optimizer.recipe;
        let (dims, grad) = (value.dims(), self.grads.get(name));
        let group = group(name, D);
        let lr = match group {
            Group::Matrix => recipe.matrix_lr,
            Group::Embedding => recipe.embedding_lr,
            Group::Norm => recipe.norm_lr,
        };
        let lr = lr as f32 * self.factor;
        let decay = if group == Group::Matrix { recipe.weight_decay as f32 } else { 0.0 };
        if let Some(direction) = self.directions.remove(name) {
            return shuyuan_tensor::update(value, |param| {
                muon_apply(param, &direction, dims[0], dims[D - 1], lr, decay);
            });
        }
        let moments = self.optimizer.moments.entry(name.to_string()).or_default();
        moments.iter_mut().for_each(|moment| moment.resize(grad.len(), 0.0));
        let [m, v] = moments;
        let [beta1, beta2] = recipe.betas.map(|beta| beta as f32);
        shuyuan_tensor::update(value, |param| {
            adamw(param, grad, m, v, lr, beta1, beta2, ADAM_EPS, decay, self.step, self.scale);
        })
    }
}
