//! Gradients by parameter name, added up over the micro-batches of a step.

use crate::TrainError;
use burn::module::{ModuleVisitor, Param};
use burn::prelude::Module;
use burn::tensor::{Device, Gradients, Tensor};
use shuyuan_model::{ParamMapper, Qwen3ForCausalLM, map_params};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Grads {
    /// Flat, on the model's device.
    by_name: BTreeMap<String, Tensor<1>>,
}

struct Add<'a> {
    path: Vec<String>,
    grads: &'a mut Gradients,
    sum: &'a mut BTreeMap<String, Tensor<1>>,
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
        let grad = shuyuan_tensor::flat(grad);
        let sum = match self.sum.remove(&name) {
            Some(sum) => sum + grad,
            None => grad,
        };
        self.sum.insert(name, sum);
    }
}

/// A zero for each number of the parameters that pass.
#[derive(Default)]
struct Zeros(BTreeMap<String, Tensor<1>>);

impl ParamMapper for Zeros {
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D> {
        let zeros = Tensor::zeros([value.shape().num_elements()], &value.device());
        self.0.insert(name.to_string(), zeros);
        value
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

    /// Those of nothing: a zero for each number of `model`, where it is.
    pub(crate) fn zeros(model: &Qwen3ForCausalLM) -> Self {
        let mut zeros = Zeros::default();
        map_params(model.valid(), &mut zeros);
        Self { by_name: zeros.0 }
    }

    /// Adds those of the same parameters, from wherever they are.
    pub(crate) fn join(&mut self, mut other: Self) {
        for (name, sum) in &mut self.by_name {
            let Some(grad) = other.by_name.remove(name) else { panic!("{name} has no gradient") };
            *sum = sum.clone() + grad.to_device(&sum.device());
        }
    }

    /// Each becomes the sum of what all `devices` have, of which this is one; see [`shuyuan_tensor::sum_over`].
    pub(crate) fn sum_over(&mut self, devices: &[Device]) {
        let (names, grads): (Vec<String>, Vec<Tensor<1>>) =
            std::mem::take(&mut self.by_name).into_iter().unzip();
        self.by_name = names.into_iter().zip(shuyuan_tensor::sum_over(grads, devices)).collect();
    }

    /// The root of the sum of all squares.
    pub(crate) fn norm(&self) -> f64 {
        shuyuan_tensor::sum_of_squares(self.by_name.values()).sqrt()
    }

    /// All of them one after another, by name: into the first of `numbers`, of which there are enough.
    pub(crate) fn write(&self, numbers: &mut [f32]) {
        let mut from = 0;
        for grad in self.by_name.values() {
            shuyuan_tensor::read(grad, |grad| {
                numbers[from..from + grad.len()].copy_from_slice(grad);
                from += grad.len();
            });
        }
    }

    /// Takes the place of all of them, as [`Self::write`] wrote them.
    pub(crate) fn read(&mut self, numbers: &[f32]) {
        let mut from = 0;
        for (name, grad) in std::mem::take(&mut self.by_name) {
            let grad = shuyuan_tensor::update(grad, |grad| {
                grad.copy_from_slice(&numbers[from..from + grad.len()]);
                from += grad.len();
            });
            self.by_name.insert(name, grad);
        }
    }

    /// That of a parameter which [`Self::add`] has seen.
    pub(crate) fn get(&self, name: &str) -> &Tensor<1> {
        self.by_name.get(name).unwrap_or_else(|| panic!("{name} has no gradient"))
    }
}
