//! The documents of the knowledge base on a plane, and the nearest of them.

use crate::Knowledge;
use anyhow::Result;
use serde::Serialize;
use shuyuan_knowledge::{Points, Reader};
use std::sync::{Arc, Mutex, PoisonError};

/// More documents than a map can show; of more, every so-manieth is on it.
const MOST: usize = 2_000;
/// Readers whose points are kept.
const KEPT: usize = 8;
/// Steps of the power iteration: more than the eye needs.
const STEPS: usize = 60;

/// Documents on a plane.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentMap {
    /// The points.
    pub points: Vec<MapPoint>,
    /// How many documents there are; more than points where every so-manieth is shown.
    pub of: usize,
    /// `vectors` of the embedding model, or `words`.
    pub by: &'static str,
}

/// A document on the plane.
#[derive(Clone, Debug, Serialize)]
pub struct MapPoint {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub title: String,
    /// The source's name.
    pub source: String,
    /// Its format.
    pub format: String,
    /// From -1 to 1.
    pub x: f32,
    /// From -1 to 1.
    pub y: f32,
}

/// A document near another.
#[derive(Clone, Debug, Serialize)]
pub struct NearDocument {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub title: String,
    /// The source's name.
    pub source: String,
    /// Its format.
    pub format: String,
    /// Of the two documents' vectors.
    pub cosine: f32,
}

/// Points of a few readers, as long as the base does not change.
#[derive(Default)]
pub(crate) struct PointsKept(Mutex<Vec<Kept>>);

type Kept = ((i64, i64), Reader, Arc<Points>);

impl Knowledge {
    /// The documents that the reader may see, on a plane: the two directions in which they differ most (PCA).
    ///
    /// # Errors
    /// If the base cannot be read.
    pub fn map(&self, reader: &Reader) -> Result<DocumentMap> {
        let points = self.points(reader)?;
        let vectors: Vec<&[f32]> = points.points.iter().map(|point| point.vector.as_slice()).collect();
        let plane = plane(&vectors);
        let at = |(point, [x, y]): (&shuyuan_knowledge::Point, &[f32; 2])| MapPoint {
            id: point.info.id,
            title: point.info.title.clone(),
            source: point.info.source.clone(),
            format: point.info.format.clone(),
            x: *x,
            y: *y,
        };
        let by = if points.embedded { "vectors" } else { "words" };
        Ok(DocumentMap { points: points.points.iter().zip(&plane).map(at).collect(), of: points.of, by })
    }

    /// The documents nearest to one, of those on the map; `None` if it is not on the map of this reader.
    ///
    /// # Errors
    /// If the base cannot be read.
    pub fn near(&self, reader: &Reader, id: u32, limit: usize) -> Result<Option<Vec<NearDocument>>> {
        let points = self.points(reader)?;
        let Some(own) = points.points.iter().find(|point| point.info.id == id) else { return Ok(None) };
        let mut near: Vec<NearDocument> = points
            .points
            .iter()
            .filter(|point| point.info.id != id)
            .map(|point| NearDocument {
                id: point.info.id,
                title: point.info.title.clone(),
                source: point.info.source.clone(),
                format: point.info.format.clone(),
                cosine: dot(&own.vector, &point.vector),
            })
            .collect();
        near.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.id.cmp(&b.id)));
        near.truncate(limit);
        Ok(Some(near))
    }

    fn points(&self, reader: &Reader) -> Result<Arc<Points>> {
        let moment = self.base.moment()?;
        let held = |kept: &[Kept]| {
            let found = kept.iter().find(|(then, whose, _)| *then == moment && whose == reader);
            found.map(|(.., points)| points.clone())
        };
        if let Some(points) = held(&self.points.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(points);
        }
        let points = Arc::new(self.base.document_vectors(reader, MOST)?);
        let mut kept = self.points.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(then, ..)| *then == moment);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((moment, reader.clone(), points.clone()));
        Ok(points)
    }
}

/// Points of a space on the plane of their two principal directions, both from -1 to 1. The same points give the same
/// plane: the iteration begins at a fixed place, and a direction points to where its greatest number is positive.
///
/// Shapes: (N, D) -> (N, 2).
fn plane(vectors: &[&[f32]]) -> Vec<[f32; 2]> {
    let dimensions = vectors.first().map_or(0, |vector| vector.len());
    let mut places = vec![[0f32; 2]; vectors.len()];
    if vectors.len() < 2 || dimensions == 0 {
        return places;
    }
    let mut mean = vec![0f32; dimensions];
    for vector in vectors {
        mean.iter_mut().zip(*vector).for_each(|(mean, x)| *mean += x / vectors.len() as f32);
    }
    let centred: Vec<Vec<f32>> =
        vectors.iter().map(|vector| vector.iter().zip(&mean).map(|(x, mean)| x - mean).collect()).collect();
    let mut directions: Vec<Vec<f32>> = Vec::new();
    for axis in 0..2 {
        let mut direction: Vec<f32> =
            (0..dimensions).map(|i| ((i * (axis + 7)) as f32 + 0.5).sin()).collect();
        for _ in 0..STEPS {
            let mut next = vec![0f32; dimensions];
            for point in &centred {
                let along = dot(point, &direction);
                next.iter_mut().zip(point).for_each(|(next, x)| *next += along * x);
            }
            for other in &directions {
                let along = dot(&next, other);
                next.iter_mut().zip(other).for_each(|(next, x)| *next -= along * x);
            }
            let length = dot(&next, &next).sqrt();
            // All points are the same, or on one line.
            if length < 1e-12 {
                next.fill(0.0);
            } else {
                next.iter_mut().for_each(|x| *x /= length);
            }
            direction = next;
        }
        let greatest = direction.iter().copied().fold(0f32, |a, b| if b.abs() > a.abs() { b } else { a });
        if greatest < 0.0 {
            direction.iter_mut().for_each(|x| *x = -*x);
        }
        for (place, point) in places.iter_mut().zip(&centred) {
            place[axis] = dot(point, &direction);
        }
        let most = places.iter().fold(0f32, |most, place| most.max(place[axis].abs()));
        if most > 1e-6 {
            places.iter_mut().for_each(|place| place[axis] /= most);
        }
        directions.push(direction);
    }
    places
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::plane;

    #[test]
    fn two_heaps_lie_apart_and_always_in_the_same_places() {
        let vectors = [[1.0, 0.0, 0.1], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.1, 0.9, 0.1]];
        let vectors: Vec<&[f32]> = vectors.iter().map(<[f32; 3]>::as_slice).collect();
        let places = plane(&vectors);
        let x: Vec<f32> = places.iter().map(|place| place[0]).collect();
        assert!(x[0] * x[1] > 0.0 && x[2] * x[3] > 0.0 && x[0] * x[2] < 0.0, "{x:?}");
        assert_eq!(places, plane(&vectors));
        assert!(places.iter().flatten().all(|x| x.abs() <= 1.0));
    }

    #[test]
    fn what_cannot_be_spread_lies_in_the_middle() {
        assert_eq!(plane(&[]), Vec::<[f32; 2]>::new());
        assert_eq!(plane(&[&[1.0, 0.0]]), [[0.0; 2]]);
        assert_eq!(plane(&[&[1.0, 0.0], &[1.0, 0.0]]), [[0.0; 2]; 2]);
    }
}
