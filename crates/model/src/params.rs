//! Every parameter of a module, by its name in a checkpoint.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

struct Visit<F> {
    path: Vec<String>,
    f: F,
}

impl<F: FnMut(&str, &[usize], &[f32])> ModuleVisitor for Visit<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let dims = value.dims();
        let (path, f) = (self.path.join("."), &mut self.f);
        shuyuan_tensor::read(&value, |data| f(&path, &dims, data));
    }
}

/// Calls `f` with the name, shape and numbers of each parameter, in the order of the module's fields.
pub fn for_each_param<M: Module>(module: &M, f: impl FnMut(&str, &[usize], &[f32])) {
    module.visit(&mut Visit { path: Vec::new(), f });
}

/// Numbers in a module.
pub fn count_params<M: Module>(module: &M) -> usize {
    let mut count = 0;
    for_each_param(module, |_, _, data| count += data.len());
    count
}

/// Something that changes parameters one by one.
pub trait ParamMapper {
    /// Given the name and the parameter's tensor, returns what takes its place.
    fn map<const D: usize>(&mut self, name: &str, value: Tensor<D>) -> Tensor<D>;
}

struct Map<'a, F> {
    path: Vec<String>,
    f: &'a mut F,
}

impl<F: ParamMapper> ModuleMapper for Map<'_, F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let value = self.f.map(&self.path.join("."), value);
        Param::from_mapped_value(id, value, mapper)
    }
}

/// Replaces every parameter by what `mapper` makes of it.
pub fn map_params<M: Module>(module: M, mapper: &mut impl ParamMapper) -> M {
    module.map(&mut Map { path: Vec::new(), f: mapper })
}
