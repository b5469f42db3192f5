//! What the GGUF writer writes, the reader reads; and nothing half-written is ever seen.

mod gguf_bytes;

use gguf_bytes::small;
use shuyuan_kernels::{BlockType, quantize};
use shuyuan_model::gguf::{Gguf, GgufWriter, Metadata, TensorSpec};

fn spec(name: &str, shape: &[usize], kind: BlockType) -> TensorSpec {
    TensorSpec { name: name.into(), shape: shape.to_vec(), kind }
}

#[test]
fn a_file_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/folder/copy.gguf");
    let original = Gguf::from_bytes(small()).unwrap();
    let specs: Vec<_> = original.tensors().map(|t| spec(t.name(), t.shape(), t.kind())).collect();
    let mut writer = GgufWriter::create(&path, original.metadata(), &specs).unwrap();
    assert!(!path.exists());
    for tensor in original.tensors().collect::<Vec<_>>().into_iter().rev() {
        writer.tensor(tensor.name(), tensor.bytes()).unwrap();
    }
    let size = writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, size);
    // Padding after the last tensor apart, byte for byte what a test wrote by hand.
    assert_eq!(bytes[..small().len()], small());
    let copy = Gguf::open(&path).unwrap();
    assert_eq!(copy.metadata(), original.metadata());
    for tensor in original.tensors() {
        let other = copy.tensor(tensor.name()).unwrap();
        assert_eq!((other.shape(), other.kind()), (tensor.shape(), tensor.kind()));
        assert_eq!(other.bytes(), tensor.bytes());
    }
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn every_format_goes_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.gguf");
    let x: Vec<f32> = (0..3 * 512).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    let kinds = BlockType::ALL.into_iter().filter(|kind| shuyuan_kernels::can_quantize(*kind));
    let specs: Vec<_> = kinds.map(|kind| spec(&kind.to_string(), &[3, 512], kind)).collect();
    let mut writer = GgufWriter::create(&path, &Metadata::default(), &specs).unwrap();
    for spec in &specs {
        writer.tensor(&spec.name, &quantize(spec.kind, &x, None)).unwrap();
    }
    writer.finish().unwrap();
    for tensor in Gguf::open(&path).unwrap().tensors() {
        for (x, y) in x.iter().zip(tensor.to_f32()) {
            // The coarsest has 7 positive steps for 0.8, and tells what lies above them by the last.
            assert!((x - y).abs() < 0.12, "{}: {x} came back as {y}", tensor.name());
        }
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.gguf");
    let refused = |specs: &[TensorSpec], why: &str| {
        let error = GgufWriter::create(&path, &Metadata::default(), specs).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    let f32s = |name: &str, shape: &[usize]| spec(name, shape, BlockType::F32);
    refused(&[f32s("", &[1])], "1 to 63 bytes");
    refused(&[f32s(&"n".repeat(64), &[1])], "1 to 63 bytes");
    refused(&[f32s("t", &[])], "1 to 4 dims");
    refused(&[f32s("t", &[1; 5])], "1 to 4 dims");
    refused(&[f32s("t", &[2, 0])], "none of them 0");
    refused(&[f32s("t", &[usize::MAX, 2])], "more bytes than a machine can hold");
    refused(&[f32s("t", &[1 << 60]), f32s("u", &[1 << 60])], "more bytes than a disk can hold");
    refused(&[f32s("t", &[1]), f32s("t", &[2])], "\"t\": it is there twice");
    refused(
        &[spec("t", &[4, 300], BlockType::Q4K)],
        "Q4_K needs rows of a multiple of 256 numbers, found 300",
    );
    let mut metadata = Metadata::default();
    metadata.insert("general.alignment", 64_u32).unwrap();
    let error = GgufWriter::create(&path, &metadata, &[]).unwrap_err().to_string();
    assert!(error.contains("general.alignment"), "{error}");
    assert!(metadata.insert("general.alignment", 32_u32).unwrap_err().to_string().contains("there twice"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn an_older_file_stays_until_the_new_one_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.gguf");
    std::fs::write(&path, b"older").unwrap();
    let specs = [spec("t", &[2], BlockType::F32), spec("u", &[1], BlockType::F32)];
    let mut writer = GgufWriter::create(&path, &Metadata::default(), &specs).unwrap();
    let error = writer.tensor("t", &[0; 4]).unwrap_err().to_string();
    assert!(error.contains("expected 8 bytes, found 4"), "{error}");
    assert!(writer.tensor("v", &[0; 4]).unwrap_err().to_string().contains("not announced"));
    writer.tensor("t", &[0; 8]).unwrap();
    assert!(writer.tensor("t", &[0; 8]).unwrap_err().to_string().contains("written already"));
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("\"u\": it was announced and not written"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"older");
    drop(GgufWriter::create(&path, &Metadata::default(), &specs).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
