//! A `config.json`, field by field, with errors that say what was expected.

use crate::ModelError;
use serde_json::Value;
use shuyuan_kernels::Activation;

/// Fields of a JSON object, with errors that name them.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Value);

impl<'a> Fields<'a> {
    pub(crate) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn wrong(key: &str, expected: &str, found: &Value) -> ModelError {
        let mut found = found.to_string();
        if found.chars().count() > 60 {
            found = found.chars().take(57).chain("...".chars()).collect();
        }
        ModelError::Config(format!("{key} must be {expected}, found {found}"))
    }

    pub(crate) fn size(self, key: &str) -> Result<Option<usize>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|x| usize::try_from(x).ok()) {
                Some(x) => Ok(Some(x)),
                None => Err(Self::wrong(key, "a whole number", value)),
            },
        }
    }

    pub(crate) fn need(self, key: &str) -> Result<usize, ModelError> {
        self.size(key)?.ok_or_else(|| ModelError::Config(format!("{key} is missing")))
    }

    pub(crate) fn number(self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(x) => Ok(Some(x)),
                None => Err(Self::wrong(key, "a number", value)),
            },
        }
    }

    pub(crate) fn flag(self, key: &str) -> Result<Option<bool>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_bool() {
                Some(x) => Ok(Some(x)),
                None => Err(Self::wrong(key, "true or false", value)),
            },
        }
    }

    pub(crate) fn text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    pub(crate) fn numbers(self, key: &str) -> Result<Vec<f64>, ModelError> {
        let Some(value) = self.get(key) else { return Err(ModelError::Config(format!("{key} is missing"))) };
        let numbers = value.as_array().and_then(|values| values.iter().map(Value::as_f64).collect());
        numbers.ok_or_else(|| Self::wrong(key, "a list of numbers", value))
    }
}

/// A curve by its name in transformers.
pub(crate) fn activation(name: &str) -> Result<Activation, ModelError> {
    match name {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
        "gelu" => Ok(Activation::Gelu),
        "relu" => Ok(Activation::Relu),
        other => Err(ModelError::Config(format!("activation \"{other}\" is not known here"))),
    }
}
