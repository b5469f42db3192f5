//! The run as TensorBoard reads it: an event file beside `metrics.jsonl`.
//!
//! TFRecord frames (length, its checksum, bytes, their checksum) around protobuf messages `Event`. Only the few fields
//! that scalars need are written, by hand: the crates that know them all bring a protobuf compiler along.
//! Source: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto.

use crate::{Metric, TrainError};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes steps to `events.out.tfevents.SECONDS.shuyuan.PROCESS`. Each process that goes on with a run begins a file of
/// its own, as TensorBoard expects; the file says from which step on it replaces what older ones hold.
pub(crate) struct EventFile {
    run: PathBuf,
    open: Option<(File, PathBuf)>,
}

impl EventFile {
    /// The file of this process in the folder `run`; made at the first step.
    pub(crate) fn new(run: &Path) -> Self {
        Self { run: run.to_path_buf(), open: None }
    }

    /// Writes a step: loss, lr, grad_norm, tokens_per_s, and where it was looked at validation/bits_per_byte.
    pub(crate) fn write(&mut self, metric: &Metric) -> Result<(), TrainError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = now.as_secs_f64();
        let mut bytes = Vec::new();
        let (file, path) = match &mut self.open {
            Some(open) => open,
            none => {
                let name =
                    format!("events.out.tfevents.{:010}.shuyuan.{}", now.as_secs(), std::process::id());
                let path = self.run.join(name);
                let file = File::options().append(true).create(true).open(&path);
                let file = file.map_err(|source| TrainError::Io { path: path.clone(), source })?;
                bytes.extend(frame(&event(seconds, 0, 3, b"brain.Event:2")));
                // SessionLog { status: START }
                bytes.extend(frame(&event(seconds, metric.step, 7, &[0x08, 1])));
                none.insert((file, path))
            }
        };
        let recall = metric.validation_recall;
        let values = [
            ("loss", Some(metric.loss)),
            ("lr", Some(metric.lr)),
            ("grad_norm", Some(metric.grad_norm)),
            ("tokens_per_s", Some(metric.tokens_per_s)),
            ("validation/bits_per_byte", metric.validation_bits_per_byte),
            ("validation/recall_at_1", recall.map(|recall| recall.at_1)),
            ("validation/recall_at_5", recall.map(|recall| recall.at_5)),
            ("validation/mrr", recall.map(|recall| recall.mrr)),
        ];
        let mut summary = Vec::new();
        for (tag, value) in values {
            if let Some(value) = value {
                let mut message = Vec::new();
                put_bytes(&mut message, 1, tag.as_bytes());
                message.push(2 << 3 | 5);
                message.extend((value as f32).to_le_bytes());
                put_bytes(&mut summary, 1, &message);
            }
        }
        bytes.extend(frame(&event(seconds, metric.step, 5, &summary)));
        file.write_all(&bytes).map_err(|source| {
            shuyuan_store::StoreError::Io { action: "write", path: path.clone(), source }.into()
        })
    }
}

/// An `Event` of a moment and a step, whose field `field` is `content`.
fn event(seconds: f64, step: u64, field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(seconds.to_le_bytes());
    out.push(2 << 3);
    put_varint(&mut out, step);
    put_bytes(&mut out, field, content);
    out
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), bytes, &masked(bytes).to_le_bytes()].concat()
}

/// A checksum that may itself be checksummed.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: an event has some hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// A protobuf message, field by field, read as the wire format says: numbers as they are, the rest as bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut n = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                n |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            n
        }
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                0 => {
                    out.push((key >> 3, varint(&mut bytes), vec![]));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (value, rest) = bytes.split_at(length);
            out.push((key >> 3, 0, value.to_vec()));
            bytes = rest;
        }
        out
    }

    /// The scalars in the event files of a folder, as TensorBoard would show them: by tag and step, a file that starts
    /// at a step replacing what older files hold from there on.
    fn scalars(run: &Path) -> BTreeMap<String, BTreeMap<u64, f32>> {
        let mut out: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
        let mut files: Vec<_> = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let bytes = std::fs::read(file).unwrap();
            let mut rest = &bytes[..];
            let mut version = None;
            while !rest.is_empty() {
                let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
                let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
                // Unmasked here, masked there.
                let unmask = |sum: u32| sum.wrapping_sub(0xa282_ead8).rotate_left(15);
                assert_eq!(unmask(sum(8)), crc32c(&rest[..8]));
                assert_eq!(unmask(sum(12 + length)), crc32c(&rest[12..12 + length]));
                let event = fields(&rest[12..12 + length]);
                rest = &rest[16 + length..];
                let seconds = f64::from_le_bytes(event[0].2[..].try_into().unwrap());
                assert!(event[0].0 == 1 && seconds > 1.7e9, "{seconds}");
                let step = event[1].1;
                assert_eq!(event[1].0, 2);
                match event[2].0 {
                    3 => version = Some(event[2].2.clone()),
                    7 => {
                        assert_eq!(fields(&event[2].2), [(1, 1, vec![])]);
                        out.values_mut().for_each(|steps| drop(steps.split_off(&step)));
                    }
                    5 => {
                        for (_, _, value) in fields(&event[2].2) {
                            let value = fields(&value);
                            let tag = String::from_utf8(value[0].2.clone()).unwrap();
                            let number = f32::from_le_bytes(value[1].2[..].try_into().unwrap());
                            assert_eq!((value[0].0, value[1].0), (1, 2));
                            out.entry(tag).or_default().insert(step, number);
                        }
                    }
                    other => panic!("field {other}"),
                }
            }
            assert_eq!(version.unwrap(), b"brain.Event:2");
        }
        out
    }

    #[test]
    fn an_independent_reader_finds_every_number() {
        let dir = tempfile::tempdir().unwrap();
        let metric = |step: u64| Metric {
            step,
            loss: 7.0 / step as f64,
            lr: 0.02,
            grad_norm: 1.5,
            tokens_per_s: 2e4,
            validation_bits_per_byte: step.is_multiple_of(200).then_some(1.25),
            ..Metric::default()
        };
        let mut file = EventFile::new(dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        (1..=300).for_each(|step| file.write(&metric(step)).unwrap());
        let found = scalars(dir.path());
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["grad_norm", "loss", "lr", "tokens_per_s", "validation/bits_per_byte"]
        );
        assert!(
            found["loss"]
                .iter()
                .map(|(step, loss)| (*step, *loss))
                .eq((1..=300).map(|step| (step, (7.0 / step as f64) as f32)))
        );
        assert_eq!(found["validation/bits_per_byte"], BTreeMap::from([(200, 1.25)]));
        // A process that goes on from step 250 replaces what came after it.
        let first = file.open.take().unwrap().1;
        std::fs::rename(&first, dir.path().join("events.out.tfevents.0000000001.shuyuan.1")).unwrap();
        let mut resumed = EventFile::new(dir.path());
        (251..=260).for_each(|step| resumed.write(&Metric { loss: 9.0, ..metric(step) }).unwrap());
        let found = scalars(dir.path());
        assert_eq!(found["loss"].len(), 260);
        assert_eq!((found["loss"][&250], found["loss"][&251]), (7.0 / 250.0, 9.0));
    }
}
