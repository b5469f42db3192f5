//! Multinomial logistic regression: the probe's straight cut through a space.

/// A fitted classifier of vectors of C numbers into K classes.
pub(super) struct Logistic {
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// (K, C + 1); the last of each row is the bias.
    weights: Vec<f32>,
    classes: usize,
}

/// More change no layer's accuracy by a hundredth.
const STEPS: usize = 40;
/// Keeps the weights of a separable problem finite.
const DECAY: f32 = 1e-2;

impl Logistic {
    /// Fits `rows` (N, C) to `labels` below `classes` by Nesterov's accelerated gradient on all rows at once.
    pub fn fit(rows: &[f32], labels: &[usize], classes: usize) -> Self {
        let n = labels.len().max(1);
        let c = rows.len() / n;
        let (mean, scale) = moments(rows, c);
        let mut fitted = Self { mean, scale, weights: vec![0.0; classes * (c + 1)], classes };
        let x: Vec<f32> = rows.chunks_exact(c.max(1)).flat_map(|row| fitted.standard(row)).collect();
        let width = c + 1;
        let rate = 1.0 / (0.5 * largest_eigenvalue(&x, width) + DECAY);
        let (mut ahead, mut gradient) = (fitted.weights.clone(), vec![0.0; classes * width]);
        for step in 0..STEPS {
            gradient.iter_mut().zip(&ahead).for_each(|(g, w)| *g = DECAY * w);
            for (row, &label) in x.chunks_exact(width).zip(labels) {
                let mut p = scores(&ahead, row);
                softmax(&mut p);
                p[label] -= 1.0;
                for (g, p) in gradient.chunks_exact_mut(width).zip(&p) {
                    let p = p / n as f32;
                    g.iter_mut().zip(row).for_each(|(g, x)| *g += p * x);
                }
            }
            let momentum = step as f32 / (step as f32 + 3.0);
            for ((w, a), g) in fitted.weights.iter_mut().zip(&mut ahead).zip(&gradient) {
                let next = *a - rate * g;
                *a = next + momentum * (next - *w);
                *w = next;
            }
        }
        fitted
    }

    /// The probability of each class.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        let mut p = scores(&self.weights, &self.standard(row));
        softmax(&mut p);
        p
    }

    /// The likeliest class.
    pub fn class(&self, row: &[f32]) -> usize {
        let p = self.probabilities(row);
        (0..self.classes).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0)
    }

    fn standard(&self, row: &[f32]) -> Vec<f32> {
        let scaled = row.iter().zip(&self.mean).zip(&self.scale).map(|((x, mean), scale)| (x - mean) * scale);
        scaled.chain([1.0]).collect()
    }
}

fn moments(rows: &[f32], c: usize) -> (Vec<f32>, Vec<f32>) {
    let n = (rows.len() / c.max(1)).max(1) as f32;
    let (mut mean, mut square) = (vec![0.0; c], vec![0.0; c]);
    for row in rows.chunks_exact(c.max(1)) {
        for (i, x) in row.iter().enumerate() {
            mean[i] += x / n;
            square[i] += x * x / n;
        }
    }
    let scale = mean.iter().zip(&square).map(|(m, s)| 1.0 / (s - m * m).max(1e-12).sqrt()).collect();
    (mean, scale)
}

fn scores(weights: &[f32], row: &[f32]) -> Vec<f32> {
    weights.chunks_exact(row.len()).map(|w| w.iter().zip(row).map(|(w, x)| w * x).sum()).collect()
}

pub(super) fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - top).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Of the mean of x·xᵀ over the rows, by power iteration.
fn largest_eigenvalue(x: &[f32], width: usize) -> f32 {
    let n = (x.len() / width.max(1)).max(1) as f32;
    let mut v = vec![1.0 / (width as f32).sqrt(); width];
    let mut value = 1.0;
    for _ in 0..6 {
        let mut next = vec![0.0; width];
        for row in x.chunks_exact(width) {
            let dot: f32 = row.iter().zip(&v).map(|(x, v)| x * v).sum();
            next.iter_mut().zip(row).for_each(|(next, x)| *next += dot * x / n);
        }
        value = next.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        v = next.iter().map(|x| x / value).collect();
    }
    // Power iteration comes from below.
    1.2 * value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_what_a_plane_can_separate() {
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for i in 0..60 {
            let class = i % 3;
            let wobble = (i as f32 * 0.7).sin() * 0.3;
            rows.extend([class as f32 * 10.0 + wobble, if class == 1 { 5.0 } else { -5.0 }, 3.0, wobble]);
            labels.push(class);
        }
        let fitted = Logistic::fit(&rows, &labels, 3);
        for (row, label) in rows.chunks(4).zip(&labels) {
            assert_eq!(fitted.class(row), *label);
            assert!((fitted.probabilities(row).iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert!(fitted.probabilities(&rows[..4])[0] > 0.9);
    }

    #[test]
    fn nothing_to_learn_from_is_no_panic() {
        let fitted = Logistic::fit(&[], &[], 3);
        assert_eq!(fitted.probabilities(&[]).len(), 3);
    }
}
