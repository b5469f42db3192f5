//! Vectors of chunks, and the nearest of them.
//!
//! A vector is kept as whole numbers of 8 bits and their scale. A search compares signs first (D bits a chunk, all of them
//! read), then orders the best by the numbers themselves: nothing is built, nothing is approximate but the first choice.

use crate::base::Mask;
use crate::search::{best, better};
use crate::store::{BlockPlace, Connection, values};
use crate::trust::Trust;
use crate::{KnowledgeError, Result};
use rayon::prelude::*;
use shuyuan_kernels::{SIGN_ROWS, dot_i16_i8, put_signs, sign_distances, sign_words};
use std::sync::Arc;

/// Up to so many, all are ordered by their numbers.
const FEW: usize = 32_768;
/// Of more, at least so many are.
const CHOSEN: usize = 4_096;
/// One part in so many tells how near is near enough.
const SAMPLE: usize = 16;
/// Rows whose distances are counted at once.
const ROWS: usize = 512;
/// And of them, those that are looked over at once.
const GROUP: usize = 32;

/// All vectors of one embedder.
#[derive(Default)]
pub(crate) struct Vectors {
    /// Its name, by which a query's vector must have been made.
    pub embedder: Option<String>,
    pub dimensions: usize,
    /// How much they count.
    pub trust: Trust,
    blocks: Vec<Arc<Block>>,
}

/// Those of consecutive slots.
struct Block {
    id: i64,
    first: u32,
    /// 0 where there is none.
    scales: Vec<f32>,
    codes: Vec<i8>,
    /// (N / 8, words, 8)
    signs: Vec<u64>,
}

impl Vectors {
    /// As the base has them now; what is held already is not read again.
    pub fn renewed(held: &Arc<Self>, connection: &dyn Connection) -> Result<Arc<Self>> {
        let chosen =
            "SELECT e.id, e.name, e.dimensions FROM embedders e JOIN meta m ON CAST(m.value AS BIGINT) = e.id
                      WHERE m.key = ?1";
        let chosen = connection.one(chosen, values!["embedder"], |row| {
            Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<usize>(2)?))
        })?;
        let Some((embedder, name, dimensions)) = chosen else { return Ok(Arc::default()) };
        let places = connection.vector_blocks(embedder)?;
        let trust = Trust::read(connection, embedder)?;
        let same = held.embedder.as_ref() == Some(&name);
        if same
            && held.trust == trust
            && held.blocks.iter().map(|block| block.id).eq(places.iter().map(|place| place.id))
        {
            return Ok(held.clone());
        }
        let mut new = Self { embedder: Some(name), dimensions, trust, blocks: Vec::new() };
        for place in places {
            if let Some(block) = held.blocks.iter().find(|block| same && block.id == place.id) {
                new.blocks.push(block.clone());
                continue;
            }
            let data = connection.vector_block(embedder, &place, dimensions)?;
            new.blocks.push(Arc::new(Block::new(&place, dimensions, &data)?));
        }
        Ok(Arc::new(new))
    }

    /// Chunks that may have one.
    pub fn slots(&self) -> usize {
        self.blocks.iter().map(|block| block.scales.len()).sum()
    }

    /// The sum of the vectors of consecutive slots, each of length 1; `None` if none of them has one.
    pub fn sum(&self, first: u32, slots: u32) -> Option<Vec<f32>> {
        let mut sum = vec![0f32; self.dimensions];
        let mut any = false;
        for slot in first..first.saturating_add(slots) {
            let at = self.blocks.partition_point(|block| block.first <= slot);
            let Some(block) = at.checked_sub(1).map(|at| &self.blocks[at]) else { continue };
            let row = (slot - block.first) as usize;
            if block.scales.get(row).is_none_or(|scale| *scale <= 0.0) {
                continue;
            }
            let codes = block.row(row);
            let length = codes.iter().map(|&code| f32::from(code).powi(2)).sum::<f32>().sqrt().max(1.0);
            sum.iter_mut().zip(codes).for_each(|(sum, &code)| *sum += f32::from(code) / length);
            any = true;
        }
        any.then_some(sum)
    }

    /// The `depth` chunks nearest to `query`, of those in `mask`: slot and cosine, nearest first.
    pub fn nearest(&self, query: &[f32], mask: &Mask, depth: usize) -> Vec<(u32, f32)> {
        let asked = Asked::new(query);
        let limit = if mask.chunks as usize > FEW { self.limit(&asked, mask) } else { u16::MAX };
        let near = |block: &Arc<Block>| block.near(&asked, mask, limit, depth);
        best(self.blocks.par_iter().flat_map_iter(near).collect(), depth)
    }

    /// The distance in signs up to which about enough chunks lie, by every [`SAMPLE`]th part of them.
    fn limit(&self, asked: &Asked, mask: &Mask) -> u16 {
        let mut counts = vec![0usize; self.dimensions + 1];
        let mut seen = 0;
        let parts = self.blocks.iter().flat_map(|block| (0..block.parts()).map(move |part| (block, part)));
        for (block, part) in parts.step_by(SAMPLE) {
            block.distances(part, asked, mask, |_, distance| {
                counts[usize::from(distance).min(self.dimensions)] += 1;
                seen += 1;
            });
        }
        let enough = CHOSEN.max(mask.chunks as usize / 128);
        let wanted = (enough * seen).div_ceil(mask.chunks.max(1) as usize);
        let mut sum = 0;
        let limit = counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        limit.map_or(u16::MAX - 1, |limit| limit as u16)
    }
}

/// A query in the forms in which it is compared.
struct Asked {
    codes: Vec<i16>,
    scale: f32,
    signs: Vec<u64>,
}

impl Asked {
    fn new(query: &[f32]) -> Self {
        let length = query.iter().map(|x| x * x).sum::<f32>().sqrt();
        let greatest = query.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
        let inverse = if greatest > 0.0 { 2047.0 / greatest } else { 0.0 };
        let mut signs = vec![0; sign_words(query.len()) * SIGN_ROWS];
        put_signs(query.iter().map(|&x| x > 0.0), 0, &mut signs);
        Self {
            codes: query.iter().map(|x| (x * inverse).round() as i16).collect(),
            scale: if length > 0.0 { greatest / 2047.0 / length } else { 0.0 },
            signs: signs.into_iter().step_by(SIGN_ROWS).collect(),
        }
    }
}

impl Block {
    fn new(place: &BlockPlace, dimensions: usize, data: &[u8]) -> Result<Self> {
        let &BlockPlace { id, first, count } = place;
        if dimensions == 0 || count.checked_mul(4 + dimensions) != Some(data.len()) {
            return Err(KnowledgeError::Damaged(format!("vectors {id} are not as many as they say")));
        }
        let (scales, codes) = data.split_at(4 * count);
        let scales: Vec<f32> =
            scales.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let codes: Vec<i8> = codes.iter().map(|&code| code as i8).collect();
        let words = sign_words(dimensions);
        let mut signs = vec![0; count.next_multiple_of(SIGN_ROWS) * words];
        for (row, codes) in codes.chunks_exact(dimensions).enumerate() {
            let block = &mut signs[row / SIGN_ROWS * SIGN_ROWS * words..][..SIGN_ROWS * words];
            put_signs(codes.iter().map(|&code| code > 0), row % SIGN_ROWS, block);
        }
        Ok(Self { id, first, scales, codes, signs })
    }

    fn row(&self, row: usize) -> &[i8] {
        let dimensions = self.codes.len() / self.scales.len().max(1);
        &self.codes[row * dimensions..(row + 1) * dimensions]
    }

    /// Parts of [`ROWS`] rows.
    fn parts(&self) -> usize {
        self.scales.len().div_ceil(ROWS)
    }

    /// Calls `f` with each row of a part that may be seen and has a vector, and its distance in signs.
    fn distances(&self, part: usize, asked: &Asked, mask: &Mask, mut f: impl FnMut(usize, u16)) {
        let mut distances = [0u16; ROWS];
        let (begin, words) = (part * ROWS, asked.signs.len());
        let end = (begin + ROWS).min(self.scales.len());
        let signs = &self.signs[begin * words..(begin + (end - begin).next_multiple_of(SIGN_ROWS)) * words];
        sign_distances(&asked.signs, signs, &mut distances[..signs.len() / words]);
        for row in begin..end {
            if self.scales[row] > 0.0 && mask.has(self.first + row as u32) {
                f(row, distances[row - begin]);
            }
        }
    }

    fn near(&self, asked: &Asked, mask: &Mask, limit: u16, depth: usize) -> Vec<(u32, f32)> {
        let mut found = Vec::new();
        let mut add = |row: usize| {
            let product = dot_i16_i8(&asked.codes, self.row(row)) as f32;
            found.push((self.first + row as u32, product * asked.scale * self.scales[row]));
        };
        if limit == u16::MAX {
            let seen = |&row: &usize| self.scales[row] > 0.0 && mask.has(self.first + row as u32);
            (0..self.scales.len()).filter(seen).for_each(&mut add);
        } else {
            let mut distances = [0u16; ROWS];
            let words = asked.signs.len();
            for (part, signs) in self.signs.chunks(ROWS * words).enumerate() {
                let distances = &mut distances[..signs.len() / words];
                sign_distances(&asked.signs, signs, distances);
                let begin = part * ROWS;
                // Few are near enough: the others are passed over together, without a look at who may see them.
                for (group, distances) in distances.chunks(GROUP).enumerate() {
                    if distances.iter().fold(u16::MAX, |least, &distance| least.min(distance)) > limit {
                        continue;
                    }
                    for (row, &distance) in (begin + group * GROUP..self.scales.len()).zip(distances) {
                        if distance <= limit && self.scales[row] > 0.0 && mask.has(self.first + row as u32) {
                            add(row);
                        }
                    }
                }
            }
        }
        if found.len() > depth {
            found.select_nth_unstable_by(depth, better);
            found.truncate(depth);
        }
        found
    }
}
