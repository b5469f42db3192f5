//! Models on disk: there and back bit by bit, and files that are not what they should be.

#[expect(dead_code, reason = "golden.rs uses all of it")]
mod common;

use common::Golden;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use shuyuan_model::{Qwen3ForCausalLM, for_each_param, load, save};
use shuyuan_tensor::{Precision, cpu};
use std::path::Path;

const NAMED: &str = "model.layers.1.self_attn.k_proj.weight";

/// A tensor as a file holds it.
#[derive(Clone)]
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn stored(golden: &Golden) -> Vec<Stored> {
    let bytes = std::fs::read(golden.dir.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let own = |(name, view): (&str, TensorView)| Stored {
        name: name.into(),
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    };
    file.iter().map(own).collect()
}

/// A model folder with the golden's configuration and these bytes as its weights.
fn folder(golden: &Golden, weights: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(golden.dir.join("config.json"), dir.path().join("config.json")).unwrap();
    std::fs::write(dir.path().join("model.safetensors"), weights).unwrap();
    dir
}

fn serialize(tensors: &[Stored]) -> Vec<u8> {
    let view = |t: &Stored| (t.name.clone(), t.dtype, t.shape.clone(), t.bytes.clone());
    let parts: Vec<_> = tensors.iter().map(view).collect();
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// Loads what `change` made of the tensors; returns the error's text.
fn error_after(golden: &Golden, change: impl FnOnce(&mut Vec<Stored>)) -> String {
    let mut tensors = stored(golden);
    change(&mut tensors);
    let dir = folder(golden, &serialize(&tensors));
    load(dir.path(), &cpu()).expect_err("a broken checkpoint was loaded").to_string()
}

fn bits(model: &Qwen3ForCausalLM) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let mut all = Vec::new();
    for_each_param(model, |name, shape, data| {
        all.push((name.to_string(), shape.to_vec(), data.iter().map(|x| x.to_bits()).collect()));
    });
    all
}

#[test]
fn a_model_comes_back_bit_by_bit() {
    for golden in common::VARIANTS.map(Golden::read) {
        let model = golden.model();
        let dir = tempfile::tempdir().unwrap();
        save(&model, dir.path()).unwrap();
        let back = load(dir.path(), &cpu()).unwrap();
        assert_eq!(back.config(), model.config());
        assert_eq!(bits(&back), bits(&model));
        // The file is the same too: what was saved twice is saved alike.
        let again = tempfile::tempdir().unwrap();
        save(&back, again.path()).unwrap();
        for file in ["model.safetensors", "config.json", "generation_config.json"] {
            let read = |dir: &Path| std::fs::read(dir.join(file)).unwrap();
            assert_eq!(read(dir.path()), read(again.path()), "{file}");
        }
        // And no number of transformers' file was lost on the way in.
        for (name, shape, bits) in bits(&model) {
            let tensors = stored(&golden);
            let tensor = tensors.iter().find(|tensor| tensor.name == name).unwrap();
            let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
            assert!(tensor.shape == shape && tensor.bytes == bytes, "{name}");
        }
        let recorded = golden.recorded.batches[0].ids.clone();
        let logits = |model: &Qwen3ForCausalLM| model.forward(&recorded[..13], Precision::F32).unwrap();
        assert_eq!(logits(&back), logits(&model));
    }
}

#[test]
fn a_model_trained_or_not_saves_alike() {
    let golden = Golden::read("untied");
    let tracked = load(&golden.dir, &shuyuan_tensor::cpu_autodiff()).unwrap();
    assert_eq!(bits(&tracked), bits(&golden.model()));
}

#[test]
fn half_precision_files_are_widened() {
    let golden = Golden::read("tied");
    for (dtype, round) in [
        (Dtype::BF16, (|x| half::bf16::from_f32(x).to_bits()) as fn(f32) -> u16),
        (Dtype::F16, |x| half::f16::from_f32(x).to_bits()),
    ] {
        let mut tensors = stored(&golden);
        for tensor in &mut tensors {
            let numbers = tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            tensor.bytes = numbers.flat_map(|x| round(x).to_le_bytes()).collect();
            tensor.dtype = dtype;
        }
        let dir = folder(&golden, &serialize(&tensors));
        let model = load(dir.path(), &cpu()).unwrap();
        let widen = |x: f32| match dtype {
            Dtype::BF16 => half::bf16::from_f32(x).to_f32(),
            _ => half::f16::from_f32(x).to_f32(),
        };
        for ((name, _, found), (_, _, full)) in bits(&model).iter().zip(bits(&golden.model())) {
            let expected: Vec<u32> = full.iter().map(|x| widen(f32::from_bits(*x)).to_bits()).collect();
            assert_eq!(found, &expected, "{name} as {dtype:?}");
        }
    }
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let golden = Golden::read("tied");
    let at = |tensors: &[Stored]| tensors.iter().position(|tensor| tensor.name == NAMED).unwrap();

    let error = error_after(&golden, |tensors| drop(tensors.remove(at(tensors))));
    assert!(error.contains(&format!("missing   {NAMED} [32, 32]")), "{error}");

    let error = error_after(&golden, |tensors| {
        let mut extra = tensors[at(tensors)].clone();
        extra.name = "model.layers.2.self_attn.k_proj.weight".into();
        tensors.push(extra);
    });
    assert!(error.contains("unknown   model.layers.2.self_attn.k_proj.weight"), "{error}");

    let error = error_after(&golden, |tensors| {
        let at = at(tensors);
        tensors[at].shape = vec![16, 64];
    });
    assert!(error.contains(&format!("misshapen {NAMED}: expected [32, 32], found [16, 64]")), "{error}");

    let error = error_after(&golden, |tensors| {
        let at = at(tensors);
        tensors[at].dtype = Dtype::I32;
    });
    assert!(error.contains(NAMED) && error.contains("found I32"), "{error}");

    // All at once, with the file and the way out; not a word about the rest.
    let error = error_after(&golden, |tensors| {
        drop(tensors.remove(at(tensors)));
        tensors[0].shape.insert(0, 1);
    });
    assert!(error.contains("missing") && error.contains("misshapen"), "{error}");
    assert!(
        error.contains("model.safetensors") && error.contains("Get both files from one export"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 4, "{error}");

    // A list of hundreds helps nobody.
    let error = error_after(&golden, Vec::clear);
    assert!(error.contains("and 4 more"), "{error}");
}

#[test]
fn an_output_layer_written_twice_is_no_error() {
    let golden = Golden::read("tied");
    let mut tensors = stored(&golden);
    let embedding = tensors.iter().find(|tensor| tensor.name == "model.embed_tokens.weight").unwrap();
    let mut twice = embedding.clone();
    twice.name = "lm_head.weight".into();
    tensors.push(twice);
    let dir = folder(&golden, &serialize(&tensors));
    assert_eq!(bits(&load(dir.path(), &cpu()).unwrap()), bits(&golden.model()));
    // Where the configuration says that there is one, it must be there.
    let error = error_after(&Golden::read("untied"), |tensors| {
        tensors.retain(|tensor| tensor.name != "lm_head.weight");
    });
    assert!(error.contains("missing   lm_head.weight [96, 32]"), "{error}");
}

#[test]
fn damaged_files_are_refused_by_name() {
    let golden = Golden::read("tied");
    let good = std::fs::read(golden.dir.join("model.safetensors")).unwrap();
    let refused = |weights: &[u8]| {
        let dir = folder(&golden, weights);
        let error = load(dir.path(), &cpu()).expect_err("a damaged file was loaded").to_string();
        assert!(error.contains("model.safetensors"), "{error}");
        error
    };
    for length in [0, 1, 7, 8, 9, 500, good.len() / 2, good.len() - 1] {
        refused(&good[..length]);
    }
    refused(&[&good[..], b"more"].concat());
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise
    };
    let bytes: Vec<u8> = (0..100_000).map(|_| random() as u8).collect();
    refused(&bytes);
    refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n");
    // One bit of the header: another name, shape, place, type or no JSON at all. Whatever it is, no panic; and it
    // never loads as another model, unless the bit is in what nobody reads.
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let expected = bits(&golden.model());
    for _ in 0..300 {
        let mut damaged = good.clone();
        damaged[random() as usize % header] ^= 1 << (random() % 8);
        let dir = folder(&golden, &damaged);
        match load(dir.path(), &cpu()) {
            Ok(model) => {
                assert_eq!(bits(&model), expected, "a damaged header changed the weights in silence")
            }
            Err(error) => assert!(error.to_string().contains("model.safetensors"), "{error}"),
        }
    }
}

#[test]
fn missing_files_and_foreign_configurations_are_named() {
    let golden = Golden::read("tied");
    let dir = tempfile::tempdir().unwrap();
    let error = || load(dir.path(), &cpu()).unwrap_err().to_string();
    assert!(error().contains("config.json"), "{}", error());
    let config = std::fs::read_to_string(golden.dir.join("config.json")).unwrap();
    std::fs::write(dir.path().join("config.json"), &config).unwrap();
    assert!(error().contains("model.safetensors"), "{}", error());
    let write = |text: &str| std::fs::write(dir.path().join("config.json"), text).unwrap();
    write(&config.replace("\"qwen3\"", "\"gpt2\""));
    assert!(error().contains("config.json") && error().contains("gpt2"), "{}", error());
    write(&config[..config.len() / 2]);
    assert!(error().contains("config.json") && error().contains("not JSON"), "{}", error());
    std::fs::write(dir.path().join("config.json"), [0xFF, 0xFE, 0x00]).unwrap();
    assert!(error().contains("UTF-8"), "{}", error());
}

/// The most memory that this process had, in MiB; none where the system does not say.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[test]
fn a_long_context_costs_nothing_until_it_is_read() {
    let golden = Golden::read("tied");
    let weights = std::fs::read(golden.dir.join("model.safetensors")).unwrap();
    let short = load(&golden.dir, &cpu()).unwrap();
    let ids: Vec<u32> = (0..40).collect();
    let before = peak_mib();
    for positions in [1 << 20, 1 << 24] {
        let dir = folder(&golden, &weights);
        let mut config = short.config().clone();
        config.max_position_embeddings = positions;
        std::fs::write(dir.path().join("config.json"), config.to_json()).unwrap();
        let model = load(dir.path(), &cpu()).unwrap();
        assert_eq!(model.config().max_position_embeddings, positions);
        let logits = model.forward(&ids, Precision::F32).unwrap();
        assert!(logits == short.forward(&ids, Precision::F32).unwrap());
    }
    if let (Some(before), Some(after)) = (before, peak_mib()) {
        // All angles of 2^24 positions would take a gigabyte at this head size of 8; other tests take some.
        assert!(after - before < 200, "{} MiB", after - before);
    }
}
