//! Vectors as they are written: whole numbers of 8 bits and their scales.

#[cfg(feature = "postgres")]
use crate::{KnowledgeError, Result};

/// A vector as it is kept: its scale and numbers, which times the scale are its values. Of zeros, the scale is 0.
fn encode(vector: &[f32], to: &mut Vec<i8>) -> f32 {
    let greatest = vector.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
    let scale = greatest / 127.0;
    let inverse = if scale > 0.0 && scale.is_finite() { 1.0 / scale } else { 0.0 };
    to.extend(vector.iter().map(|x| (x * inverse).round_ties_even() as i8));
    if inverse > 0.0 { scale } else { 0.0 }
}

/// Vectors as they are written: all scales, then all numbers. `None` for a slot without one.
pub(crate) fn to_bytes<'v>(vectors: impl Iterator<Item = Option<&'v [f32]>>, dimensions: usize) -> Vec<u8> {
    let (mut scales, mut codes) = (Vec::new(), Vec::new());
    for vector in vectors {
        let scale = match vector {
            Some(vector) => encode(vector, &mut codes),
            None => {
                codes.resize(codes.len() + dimensions, 0);
                0.0
            }
        };
        scales.extend(scale.to_le_bytes());
    }
    scales.extend(codes.into_iter().map(|code| code as u8));
    scales
}

/// Vectors from how they are written.
#[cfg(feature = "postgres")]
pub(crate) fn from_bytes(data: &[u8], dimensions: usize) -> Result<Vec<Option<Vec<f32>>>> {
    let count = data.len() / (4 + dimensions);
    if count * (4 + dimensions) != data.len() {
        return Err(KnowledgeError::Damaged("vectors are not as many as they say".into()));
    }
    let (scales, codes) = data.split_at(4 * count);
    let scales = scales.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let row = |(scale, codes): (f32, &[u8])| {
        (scale > 0.0).then(|| codes.iter().map(|&code| f32::from(code as i8) * scale).collect())
    };
    Ok(scales.zip(codes.chunks_exact(dimensions)).map(row).collect())
}
