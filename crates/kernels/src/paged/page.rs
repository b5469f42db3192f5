//! A page of the cache: keys and values of 64 positions, in all layers.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Positions of a page.
pub const PAGE: usize = 64;

/// What a page holds of each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageShape {
    /// Layers.
    pub layers: usize,
    /// K: key and value heads.
    pub kv_heads: usize,
    /// D: numbers in a head.
    pub head_dim: usize,
    /// Whether numbers are f16 rather than f32.
    pub half: bool,
}

impl PageShape {
    /// Numbers in a value, filled up to whole vectors.
    pub(super) fn padded(&self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    fn keys(&self) -> usize {
        self.layers * self.kv_heads * self.head_dim * PAGE
    }

    fn values(&self) -> usize {
        self.layers * self.kv_heads * self.padded() * PAGE
    }

    /// Bytes of a page.
    pub fn bytes(&self) -> usize {
        (self.keys() + self.values()) * if self.half { 2 } else { 4 }
    }
}

/// Keys and values of up to [`PAGE`] positions.
///
/// Within a layer and head keys lie as (D, 64), so that scores come out side by side, and values as (64, D).
#[derive(Clone)]
pub struct Page {
    shape: PageShape,
    numbers: Numbers,
}

#[derive(Clone)]
enum Numbers {
    F32(Vec<f32>),
    F16(Vec<u16>),
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({:?})", self.shape)
    }
}

impl Page {
    /// An empty page.
    pub fn new(shape: PageShape) -> Self {
        let len = shape.keys() + shape.values();
        let numbers = if shape.half { Numbers::F16(vec![0; len]) } else { Numbers::F32(vec![0.0; len]) };
        Self { shape, numbers }
    }

    /// Its shape.
    pub fn shape(&self) -> PageShape {
        self.shape
    }

    /// Sets keys and values of position `slot` (below 64) in a layer. Shapes: `k` and `v` (K, D). Panics if they are not.
    pub fn write(&mut self, layer: usize, slot: usize, k: &[f32], v: &[f32]) {
        let PageShape { layers, kv_heads, head_dim: d, .. } = self.shape;
        assert!(
            layer < layers && slot < PAGE && k.len() == kv_heads * d && v.len() == k.len(),
            "layer {layer}, position {slot}, {} numbers in a page of {:?}",
            k.len(),
            self.shape
        );
        let (keys, padded) = (self.shape.keys(), self.shape.padded());
        if let Numbers::F16(all) = &mut self.numbers {
            // All at once, in the hardware's instructions.
            let mut halves = vec![f16::ZERO; 2 * k.len()];
            let (k_half, v_half) = halves.split_at_mut(k.len());
            k_half.convert_from_f32_slice(k);
            v_half.convert_from_f32_slice(v);
            for (head, (k, v)) in k_half.chunks_exact(d).zip(v_half.chunks_exact(d)).enumerate() {
                let part = layer * kv_heads + head;
                let column = &mut all[part * d * PAGE + slot..];
                column.iter_mut().step_by(PAGE).zip(k).for_each(|(to, k)| *to = k.to_bits());
                let row = &mut all[keys + (part * PAGE + slot) * padded..][..d];
                row.iter_mut().zip(v).for_each(|(to, v)| *to = v.to_bits());
            }
            return;
        }
        for (head, (k, v)) in k.chunks_exact(d).zip(v.chunks_exact(d)).enumerate() {
            let part = layer * kv_heads + head;
            let k_at = part * d * PAGE + slot;
            let v_at = keys + (part * PAGE + slot) * padded;
            if let Numbers::F32(all) = &mut self.numbers {
                for (i, k) in k.iter().enumerate() {
                    all[k_at + i * PAGE] = *k;
                }
                all[v_at..v_at + d].copy_from_slice(v);
            }
        }
    }

    /// Where keys and values of a head of a layer begin: (D, 64) and (64, D filled up).
    pub(super) fn head(&self, layer: usize, head: usize) -> (*const u8, *const u8) {
        let PageShape { layers, kv_heads, head_dim: d, half } = self.shape;
        assert!(layer < layers && head < kv_heads, "no layer {layer} or head {head} in {:?}", self.shape);
        let part = layer * kv_heads + head;
        let size = if half { 2 } else { 4 };
        let start: *const u8 = match &self.numbers {
            Numbers::F32(all) => all.as_ptr().cast(),
            Numbers::F16(all) => all.as_ptr().cast(),
        };
        let k = part * d * PAGE;
        let v = self.shape.keys() + part * PAGE * self.shape.padded();
        (start.wrapping_add(k * size), start.wrapping_add(v * size))
    }
}
