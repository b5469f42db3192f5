//! Gradients by parameter name, added up over the micro-batches of a step.

use crate::TrainError;
use burn::module::{ModuleVisitor, Param};
use burn::prelude::Module;
use burn::tensor::{Gradients, Tensor};
use shuyuan_kernels::sum_of_squares;
use shuyuan_model::Qwen3ForCausalLM;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Grads {
    by_name: BTreeMap<String, Vec<f32>>,
}

struct Add<'a> {
    path: Vec<String>,
    grads: &'a mut Gradients,
    sum: &'a mut BTreeMap<String, Vec<f32>>,
    missing: Option<String>,
}

impl ModuleVisitor for Add<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let Some(grad) = param.val().grad_remove(self.grads) else {
            self.missing.get_or_insert(name);
            return;
        };
        let grad = shuyuan_tensor::take(grad);
        match self.sum.get_mut(&name) {
            Some(sum) => sum.iter_mut().zip(&grad).for_each(|(s, g)| *s += g),
            None => drop(self.sum.insert(name, grad)),
        }
    }
}

impl Grads {
    /// Forgets all, so that a step's memory is free for the next one.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
    }

    /// Takes the gradients of one micro-batch, and adds them to what is there.
    pub(crate) fn add(&mut self, model: &Qwen3ForCausalLM, mut grads: Gradients) -> Result<(), TrainError> {
        let mut add = Add { path: Vec::new(), grads: &mut grads, sum: &mut self.by_name, missing: None };
        model.visit(&mut add);
        add.missing.map_or(Ok(()), |name| Err(TrainError::NoGradient(name)))
    }

    /// The root of the sum of all squares.
    pub(crate) fn norm(&self) -> f64 {
        self.by_name.values().map(|grad| sum_of_squares(grad)).sum::<f64>().sqrt()
    }

    pub(crate) fn get(&self, name: &str) -> &[f32] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}
