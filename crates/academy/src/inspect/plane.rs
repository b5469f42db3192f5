//! Puts vectors on a plane: their two principal components.

/// The plane's coordinates of `rows` (N, C), scaled so that the furthest is at most 1 from the middle on each axis.
pub(super) fn project(rows: &[Vec<f32>]) -> Vec<[f32; 2]> {
    let c = rows.first().map_or(0, Vec::len);
    let n = rows.len().max(1) as f32;
    let mean: Vec<f32> = (0..c).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / n).collect();
    let mut centred: Vec<Vec<f32>> =
        rows.iter().map(|row| row.iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
    let mut points = vec![[0.0; 2]; rows.len()];
    for axis in 0..2 {
        let direction = principal(&centred, c);
        for (row, point) in centred.iter_mut().zip(&mut points) {
            let x = dot(row, &direction);
            point[axis] = x;
            row.iter_mut().zip(&direction).for_each(|(row, d)| *row -= x * d);
        }
        let far = points.iter().map(|point| point[axis].abs()).fold(1e-6, f32::max);
        points.iter_mut().for_each(|point| point[axis] /= far);
    }
    points
}

/// The direction in which the rows differ most, by power iteration.
fn principal(rows: &[Vec<f32>], c: usize) -> Vec<f32> {
    // Some start that is unlikely to be orthogonal to the answer, and always the same.
    let mut v: Vec<f32> = (0..c).map(|i| (1.0 + i as f32 * 0.618).sin()).collect();
    for _ in 0..60 {
        let mut next = vec![0.0; c];
        for row in rows {
            let along = dot(row, &v);
            next.iter_mut().zip(row).for_each(|(next, x)| *next += along * x);
        }
        let length = dot(&next, &next).sqrt();
        if length < 1e-12 {
            break;
        }
        v = next.into_iter().map(|x| x / length).collect();
    }
    let length = dot(&v, &v).sqrt().max(1e-12);
    v.into_iter().map(|x| x / length).collect()
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_direction_comes_first() {
        let rows: Vec<Vec<f32>> =
            (0..20).map(|i| vec![1.0, i as f32, if i % 2 == 0 { 1.0 } else { -1.0 }, 0.0]).collect();
        let points = project(&rows);
        assert!((points[0][0] + points[19][0]).abs() < 1e-3 && points[0][0].abs() > 0.999);
        for pair in points.windows(2) {
            assert!(pair[0][1] * pair[1][1] < 0.0);
        }
        assert_eq!(project(&[]), Vec::<[f32; 2]>::new());
        assert!(project(&[vec![1.0, 2.0], vec![1.0, 2.0]]).iter().flatten().all(|x| x.is_finite()));
    }
}
