//! A model's tensors by name, from safetensors (one file or shards) or GGUF, mapped rather than read.

use crate::ModelError;
use crate::gguf::{Gguf, GgufTensor};
use crate::mapped::map;
use safetensors::{Dtype, SafeTensors};
use shuyuan_kernels::{BlockType, Bytes, Matrix, dequantize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One tensor as it lies in its file.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) kind: BlockType,
    /// Row-major.
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Bytes,
}

/// All tensors of a model; each is taken once, and what nobody takes is reported.
pub(crate) struct Tensors {
    path: PathBuf,
    left: BTreeMap<String, Raw>,
    /// What their numbers are, where that is nothing to multiply with.
    unusable: BTreeMap<String, Dtype>,
    problems: Vec<String>,
}

const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

impl Tensors {
    fn new(path: &Path, left: BTreeMap<String, Raw>) -> Self {
        Self { path: path.to_path_buf(), left, unusable: BTreeMap::new(), problems: Vec::new() }
    }

    /// Those of the safetensors in folder `dir`.
    pub(crate) fn of_folder(dir: &Path) -> Result<Self, ModelError> {
        let index = dir.join(INDEX);
        if !index.exists() {
            let path = dir.join(SINGLE);
            let mut all = Self::new(&path, BTreeMap::new());
            all.add_safetensors(&path, |_| true)?;
            return Ok(all);
        }
        let invalid = |what: String| ModelError::Invalid { path: index.clone(), what };
        let text = std::fs::read_to_string(&index)
            .map_err(|source| ModelError::Read { path: index.clone(), source })?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| invalid(format!("expected JSON: {error}")))?;
        let Some(map) = value["weight_map"].as_object() else {
            return Err(invalid("expected \"weight_map\", a map from tensors to files".into()));
        };
        let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in map {
            // A name with a path in it could point anywhere.
            let file =
                file.as_str().filter(|file| !file.is_empty() && !file.contains(['/', '\\']) && *file != "..");
            let Some(file) = file else {
                return Err(invalid(format!(
                    "expected the name of a file beside it for {tensor}, found {}",
                    map[tensor]
                )));
            };
            shards.entry(file).or_default().push(tensor);
        }
        let mut all = Self::new(&index, BTreeMap::new());
        for (file, names) in shards {
            all.add_safetensors(&dir.join(file), |name| names.contains(&name))?;
            for name in names {
                if !all.left.contains_key(name) && !all.unusable.contains_key(name) {
                    all.problems.push(format!("  missing   {name}, which {INDEX} says is in {file}"));
                }
            }
        }
        Ok(all)
    }

    /// Those of a GGUF file.
    pub(crate) fn of_gguf(path: &Path, gguf: &Gguf) -> Self {
        struct Owner(GgufTensor);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                self.0.bytes()
            }
        }
        let raw = |tensor: GgufTensor| {
            let (kind, shape, end) = (tensor.kind(), tensor.shape().to_vec(), tensor.bytes().len());
            (
                tensor.name().to_string(),
                Raw { kind, shape, bytes: Bytes::new(Arc::new(Owner(tensor)), 0..end) },
            )
        };
        Self::new(path, gguf.tensors().map(raw).collect())
    }

    /// Those of a safetensors file in memory.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Result<Self, ModelError> {
        let path = Path::new("(memory)");
        let mut all = Self::new(path, BTreeMap::new());
        all.add_bytes(path, &Arc::new(bytes), |_| true)?;
        Ok(all)
    }

    /// Those of a model in memory.
    pub(crate) fn of_memory(raws: Vec<(String, Raw)>) -> Self {
        Self::new(Path::new("memory"), raws.into_iter().collect())
    }

    fn add_safetensors(&mut self, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), ModelError> {
        let invalid = |what: String| ModelError::Invalid { path: path.to_path_buf(), what };
        let map = map(path).map_err(|source| ModelError::Read { path: path.to_path_buf(), source })?;
        let map = map.ok_or_else(|| invalid("expected a file, found a folder or device".into()))?;
        self.add_bytes(path, &Arc::new(map), wanted)
    }

    /// Those of a safetensors file in memory or mapped; `path` is what errors name.
    fn add_bytes<T>(
        &mut self,
        path: &Path,
        bytes: &Arc<T>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), ModelError>
    where
        T: std::ops::Deref<Target = [u8]> + AsRef<[u8]> + Send + Sync + 'static,
    {
        let file = SafeTensors::deserialize(bytes).map_err(|error| ModelError::Invalid {
            path: path.to_path_buf(),
            what: format!("expected a safetensors file, found something else ({error})"),
        })?;
        for (name, view) in file.iter() {
            if !wanted(name) {
                continue;
            }
            let kind = match view.dtype() {
                Dtype::F32 => BlockType::F32,
                Dtype::F16 => BlockType::F16,
                Dtype::BF16 => BlockType::Bf16,
                other => {
                    // Some files hold what nobody takes: GPT-2's masks, BERT's position ids.
                    self.unusable.insert(name.to_string(), other);
                    continue;
                }
            };
            let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = bytes.clone();
            let part = Bytes::new(owner, start..start + view.data().len());
            self.left.insert(name.to_string(), Raw { kind, shape: view.shape().to_vec(), bytes: part });
        }
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// The first dimension of a tensor that is there.
    pub(crate) fn rows_of(&self, name: &str) -> Option<usize> {
        self.left.get(name)?.shape.first().copied()
    }

    /// Whether some name begins so.
    pub(crate) fn any(&self, prefix: &str) -> bool {
        self.left.range(prefix.to_string()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Takes a tensor that must be there in this shape; if it is not, a problem is noted and zeros come instead.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Raw {
        match self.left.remove(name) {
            Some(raw) if raw.shape == shape && raw.kind.bytes_for(shape[shape.len() - 1]).is_some() => {
                return raw;
            }
            Some(raw) => {
                self.problems.push(format!("  misshapen {name}: expected {shape:?}, found {:?}", raw.shape))
            }
            None => match self.unusable.remove(name) {
                Some(kind) => self.problems.push(unusable(name, kind)),
                None => self.problems.push(format!("  missing   {name} {shape:?}")),
            },
        }
        Raw { kind: BlockType::F32, shape: vec![0; shape.len()], bytes: Vec::new().into() }
    }

    /// Takes a tensor as f32.
    pub(crate) fn numbers(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.take(name, shape).numbers()
    }

    /// Drops tensors that do not concern the forward pass.
    pub(crate) fn ignore(&mut self, of_no_use: impl Fn(&str) -> bool) {
        self.left.retain(|name, _| !of_no_use(name));
        self.unusable.retain(|name, _| !of_no_use(name));
    }

    /// # Errors
    /// If anything was missing, misshapen, or is left.
    pub(crate) fn finish(mut self) -> Result<(), ModelError> {
        for (name, raw) in &self.left {
            self.problems.push(format!("  unknown   {name} {:?}", raw.shape));
        }
        self.problems.extend(self.unusable.iter().map(|(name, kind)| unusable(name, *kind)));
        self.check()
    }

    /// # Errors
    /// If anything was missing or misshapen so far.
    pub(crate) fn check(&mut self) -> Result<(), ModelError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        let more = problems.len().saturating_sub(20);
        problems.truncate(20);
        if more > 0 {
            problems.push(format!("  and {more} more"));
        }
        Err(ModelError::Tensors { path: self.path.clone(), problems })
    }
}

fn unusable(name: &str, kind: Dtype) -> String {
    format!("  unusable  {name}: expected F32, F16 or BF16, found {kind:?}")
}

impl Raw {
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let mut numbers = vec![0.0; self.shape.iter().product()];
        dequantize(self.kind, &self.bytes, &mut numbers);
        numbers
    }

    fn row_bytes(&self) -> usize {
        self.bytes.len() / self.shape[0].max(1)
    }

    /// Rows `first..first + count` of a matrix.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Self {
        let (size, have) = (self.row_bytes(), self.shape[0]);
        // Nothing of what is missing.
        let (first, count) = if have == 0 { (0, 0) } else { (first, count) };
        let bytes = self.bytes.part(first * size..(first + count) * size);
        let mut shape = self.shape.clone();
        shape[0] = count;
        Self { kind: self.kind, shape, bytes }
    }

    /// Matrix `index` of a stack.
    pub(crate) fn layer(&self, index: usize) -> Self {
        let one = self.rows(index, 1);
        Self { shape: one.shape[1..].to_vec(), ..one }
    }

    /// As a matrix with row `order(i)` at place i.
    pub(crate) fn matrix_reordered(&self, order: impl Fn(usize) -> usize + Sync) -> Matrix {
        Matrix::reordered(self.kind, self.bytes.clone(), self.shape[0], self.shape[1], order)
    }

    /// As a matrix to multiply with.
    pub(crate) fn matrix(&self) -> Matrix {
        Matrix::new(self.kind, self.bytes.clone(), self.shape[0], self.shape[1])
    }
}
