//! Numbers that a script wrote, how far others lie from them, and the models that they belong to.

use safetensors::SafeTensors;
use shuyuan_model::{Decoder, ModelError};
use std::path::{Path, PathBuf};

/// A safetensors file of goldens.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn open(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    pub fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        let file = self.file();
        let data = file.tensor(name).unwrap().data();
        data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// Mean squared error over mean square.
pub fn nmse(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let error: f64 = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    error / expected.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
}

/// Where the models are: small ones of ours, or those that SHUYUAN_MODELS names.
pub fn root() -> PathBuf {
    match std::env::var_os("SHUYUAN_MODELS") {
        Some(root) => root.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/families"),
    }
}

/// The models' folders.
pub fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root()).expect("a folder of models");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("golden.safetensors").exists())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no models in {}", root().display());
    folders
}

/// Rows of ids.
pub fn ids_of(golden: &Golden, name: &str) -> Vec<Vec<u32>> {
    let file = golden.file();
    let tensor = file.tensor(name).unwrap();
    let ids: Vec<u32> =
        tensor.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect();
    ids.chunks(tensor.shape()[1]).map(<[u32]>::to_vec).collect()
}

/// The likeliest continuation.
pub fn greedy(decoder: &Decoder, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut cache = decoder.cache();
    let mut logits = decoder.extend(prompt, &mut cache).unwrap();
    let mut ids = Vec::new();
    loop {
        let best =
            (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a))).unwrap();
        ids.push(best as u32);
        if ids.len() == count {
            return ids;
        }
        logits = match decoder.extend(&ids[ids.len() - 1..], &mut cache) {
            Err(ModelError::Reread) => {
                cache.restart_long();
                decoder.extend(&[prompt, &ids].concat(), &mut cache).unwrap()
            }
            logits => logits.unwrap(),
        };
    }
}
