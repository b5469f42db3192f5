//! The GGUF reader on good files, and on every way a file can be wrong that we know of.

mod gguf_bytes;

use gguf_bytes::{Bytes, small};
use shuyuan_model::gguf::{Array, Gguf, Value};

fn refused(bytes: Bytes) -> String {
    match Gguf::from_bytes(bytes.0) {
        Ok(_) => panic!("should have been refused"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn refused_for(bytes: Bytes, why: &str) {
    let error = refused(bytes);
    assert!(error.contains(why), "expected {why:?} in: {error}");
    assert!(error.len() < 600, "{error}");
}

/// One tensor and 64 bytes of data.
fn one_tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Bytes {
    Bytes::header(3, 1, 0).tensor(name, dims, kind, offset).padded(32).raw(&[0; 64])
}

#[test]
fn a_file_says_what_it_holds() {
    for version in [2, 3] {
        let mut bytes = small();
        bytes[4] = version;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small.gguf");
        std::fs::write(&path, bytes).unwrap();
        let file = Gguf::open(&path).unwrap();
        assert_eq!(file.version(), u32::from(version));
        let m = file.metadata();
        assert_eq!(m.u64("llama.block_count").unwrap(), 12);
        assert_eq!(m.u64("u8").unwrap(), 200);
        assert_eq!(m.u64("u64").unwrap(), u64::MAX);
        assert_eq!(m.str("general.architecture").unwrap(), "llama 书");
        assert_eq!(m.f32("f32").unwrap(), 1.5);
        assert_eq!(m.f32("f64").unwrap(), 2.5);
        assert!(m.bool("bool").unwrap());
        assert_eq!(m.strs("strings").unwrap(), ["a", ""]);
        assert_eq!(m.strs("none").unwrap(), [""; 0]);
        assert_eq!(m.f32s("numbers").unwrap(), [0.5, 0.25]);
        assert_eq!(m.i64s("integers").unwrap(), [1, -1, 3]);
        assert_eq!(m.bools("bools").unwrap(), [true, false]);
        assert_eq!(m.get("i8"), Some(&Value::I8(-128)));
        assert_eq!(
            m.get("nested"),
            Some(&Value::Array(Array::Array(vec![Array::U32(vec![5]), Array::F64(vec![])])))
        );
        assert_eq!(m.iter().len(), 18);
        assert_eq!(m.iter().next().unwrap().0, "u8");

        let names: Vec<_> = file.tensors().map(|t| t.name().to_string()).collect();
        assert_eq!(names, ["blk.0.attn_q.weight", "output_norm.weight", "cube"]);
        let q = file.tensor("blk.0.attn_q.weight").unwrap();
        assert_eq!(
            (q.shape(), q.ggml_shape(), q.kind().to_string()),
            (&[2, 32][..], vec![32, 2], "Q8_0".into())
        );
        assert_eq!(q.bytes(), [1; 68]);
        let norm = file.tensor("output_norm.weight").unwrap();
        let cube = file.opt_tensor("cube").unwrap();
        drop(file);
        assert_eq!(norm.clone().to_f32(), [1.0, 2.0, 3.0]);
        assert_eq!(cube.shape(), [4, 3, 2]);
        assert_eq!(cube.to_f32(), [1.0; 24]);
    }
}

#[test]
fn what_is_asked_for_in_vain_is_named() {
    let file = Gguf::from_bytes(small()).unwrap();
    let m = file.metadata();
    let missing = m.u64("llama.rope.dim").unwrap_err().to_string();
    assert!(missing.contains("llama.rope.dim") && missing.contains("integer"), "{missing}");
    assert_eq!(m.opt_u64("llama.rope.dim").unwrap(), None);
    for (wrong, found) in [
        (m.u64("i32").unwrap_err(), "-8"),
        (m.opt_u64("general.architecture").unwrap_err(), "the string \"llama 书\""),
        (m.str("strings").map(drop).unwrap_err(), "an array of 2 strings"),
        (m.strs("numbers").map(drop).unwrap_err(), "an array of 2 f32"),
        (m.i64s("numbers").map(drop).unwrap_err(), "expected an array of integers"),
        (m.f32s("integers").map(drop).unwrap_err(), "an array of 3 integers"),
        (m.f32("bool").map(drop).unwrap_err(), "the bool true"),
        (m.bool("u8").map(drop).unwrap_err(), "the integer 200"),
        (file.tensor("output.weight").map(drop).unwrap_err(), "output.weight"),
    ] {
        assert!(wrong.to_string().contains(found), "{wrong}");
    }
}

#[test]
fn what_is_not_a_gguf_file_is_refused() {
    refused_for(Bytes(vec![]), "expected 4 bytes");
    refused_for(Bytes(b"PK\x03\x04 and more".to_vec()), "begin with \"GGUF\"");
    refused_for(Bytes::header(1, 0, 0), "found 1: convert");
    refused_for(Bytes::header(4, 0, 0), "expected version 2 or 3, found 4");
    refused_for(Bytes::header(0, 0, 0), "expected version 2 or 3, found 0");
    refused_for(Bytes::header(3_u32.swap_bytes(), 0, 0), "big-endian");
    let dir = tempfile::tempdir().unwrap();
    let missing = Gguf::open(&dir.path().join("none.gguf")).unwrap_err().to_string();
    assert!(missing.contains("none.gguf"), "{missing}");
    let folder = Gguf::open(dir.path()).unwrap_err().to_string();
    assert!(folder.contains("expected a file"), "{folder}");
    std::fs::write(dir.path().join("empty.gguf"), b"").unwrap();
    let empty = Gguf::open(&dir.path().join("empty.gguf")).unwrap_err().to_string();
    assert!(empty.contains("expected 4 bytes"), "{empty}");
}

#[test]
fn a_file_without_tensors_is_a_file() {
    assert_eq!(Gguf::from_bytes(Bytes::header(3, 0, 0).0).unwrap().tensors().len(), 0);
}

#[test]
fn counts_are_checked_before_they_are_believed() {
    for count in [1 << 20, u64::from(u32::MAX), i64::MAX as u64, u64::MAX, u64::MAX / 14] {
        refused_for(Bytes::header(3, 0, count), "metadata keys are announced");
        refused_for(Bytes::header(3, count, 0), "tensors are announced");
        refused_for(Bytes::header(3, 0, 1).u64(count).raw(&[0; 40]), "bytes of text are announced");
        for kind in 0..13 {
            refused_for(
                Bytes::header(3, 0, 1).key("k", 9).u32(kind).u64(count).raw(&[0; 40]),
                "elements are announced",
            );
        }
    }
}

#[test]
fn wrong_metadata_are_refused() {
    let keys = |n| Bytes::header(3, 0, n);
    refused_for(keys(1).key("", 0).raw(&[1; 9]), "must not be empty");
    refused_for(
        keys(2).key("twice", 0).raw(&[1]).key("twice", 4).u32(1),
        "\"twice\": the key is there twice",
    );
    refused_for(keys(1).key(&"k".repeat(65_536), 0).raw(&[1]), "longer than 65,535 bytes");
    refused_for(keys(1).key("k", 13).u64(0), "found 13");
    refused_for(keys(1).key("k", 9).u32(13).u64(0), "found 13");
    refused_for(keys(1).key("k", 7).raw(&[2]), "0 or 1, found 2");
    refused_for(keys(1).key("k", 9).u32(7).u64(2).raw(&[0, 3]), "0 or 1, found 3");
    refused_for(keys(1).key("k", 8).u64(2).raw(&[0xff, 0xfe]), "expected UTF-8");
    refused_for(keys(1).u64(2).raw(&[0xff, 0xfe]).u32(0).raw(&[0]), "expected UTF-8");
    let mut deep = keys(1).key("k", 9);
    for _ in 0..100_000 {
        deep = deep.u32(9).u64(1);
    }
    refused_for(deep, "at most 4 deep");
    for alignment in [0, 3, 33] {
        refused_for(keys(1).key("general.alignment", 4).u32(alignment), "expected a power of two");
    }
    refused_for(keys(1).key("general.alignment", 8).string("32"), "found the string \"32\"");
    refused_for(keys(1).key("general.alignment", 10).u64(32), "as u32, found the integer 32");
}

#[test]
fn another_alignment_is_followed() {
    for alignment in [1_u32, 8, 4096] {
        let file = Bytes::header(3, 1, 1)
            .key("general.alignment", 4)
            .u32(alignment)
            .tensor("t", &[2], 0, 0)
            .padded(alignment as usize)
            .raw(&1.0_f32.to_le_bytes())
            .raw(&2.0_f32.to_le_bytes());
        let file = Gguf::from_bytes(file.0).unwrap();
        assert_eq!(file.alignment(), u64::from(alignment));
        assert_eq!(file.tensor("t").unwrap().to_f32(), [1.0, 2.0]);
    }
    let far =
        Bytes::header(3, 1, 1).key("general.alignment", 4).u32(1 << 31).tensor("t", &[2], 0, 0).raw(&[0; 64]);
    refused_for(far, "the file ends 0 bytes after");
}

#[test]
fn wrong_tensors_are_refused() {
    assert!(Gguf::from_bytes(one_tensor("t", &[16], 0, 0).0).is_ok());
    refused_for(one_tensor("t", &[17], 0, 0), "\"t\" should have 68 bytes");
    refused_for(one_tensor("t", &[16], 0, 32), "should have 64 bytes from offset 32 on");
    refused_for(one_tensor("t", &[16], 0, u64::MAX - 31), "should have 64 bytes");
    refused_for(one_tensor("t", &[16], 0, 1 << 40), "should have 64 bytes");
    refused_for(one_tensor("t", &[4], 0, 16), "a multiple of 32, found 16");
    refused_for(one_tensor("", &[4], 0, 0), "has no name");
    refused_for(one_tensor("t", &[], 0, 0), "1 to 4 dims, found 0");
    refused_for(one_tensor("t", &[1, 1, 1, 1, 1], 0, 0), "1 to 4 dims, found 5");
    refused_for(one_tensor("t", &[4, 0], 0, 0), "from 1 on, found 0");
    refused_for(one_tensor("t", &[1 << 32, 1 << 32], 0, 0), "more numbers than a machine can hold");
    refused_for(one_tensor("t", &[u64::MAX, 2, 2], 0, 0), "more numbers than a machine can hold");
    refused_for(one_tensor("t", &[1 << 62], 0, 0), "more bytes than a machine can hold");
    refused_for(one_tensor("t", &[1 << 58, 8], 1, 0), "should have");
    refused_for(one_tensor("t", &[31], 8, 0), "Q8_0 needs rows of a multiple of 32 numbers, found 31");
    refused_for(one_tensor("t", &[16, 2], 8, 0), "Q8_0 needs rows of a multiple of 32 numbers, found 16");
    refused_for(one_tensor("t", &[256], 16, 0), "stored as IQ2_XXS");
    refused_for(one_tensor("t", &[256], 39, 0), "stored as MXFP4");
    refused_for(one_tensor("t", &[256], 777, 0), "unknown type (number 777)");
    let two = |name, offset| {
        let header = Bytes::header(3, 2, 0).tensor("t", &[16], 0, 0).tensor(name, &[4], 0, offset);
        header.padded(32).raw(&[0; 96])
    };
    assert!(Gguf::from_bytes(two("u", 64).0).is_ok());
    refused_for(two("t", 64), "\"t\" is there twice");
    refused_for(two("u", 32), "lie on the same bytes");
    refused_for(two("u", 0), "lie on the same bytes");
    // What a terminal would obey is escaped.
    assert!(!refused(one_tensor("\u{1b}[2J", &[0], 0, 0)).contains('\u{1b}'));
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let whole = small();
    assert!(Gguf::from_bytes(whole.clone()).is_ok());
    for length in 0..whole.len() {
        let error = refused(Bytes(whole[..length].to_vec()));
        assert!(error.contains("cut off") || length < 4, "{length}: {error}");
    }
}
