//! A feed-forward part of many experts, of which a router chooses some for each token.

use crate::layers::{Linear, Mlp, multiply};
use shuyuan_kernels::Activation;

/// A part of many experts.
pub(super) struct Experts<'a> {
    pub(super) router: &'a Linear,
    pub(super) experts: &'a [Mlp],
    /// How many see a token, and whether their shares are made to sum to 1.
    pub(super) chosen: (usize, bool),
    pub(super) act: Activation,
}

/// Adds to each row of `out` what its experts make of the row of `x`, by their shares. Shapes: `x` and `out` (N, C). `see` is
/// given each expert that has rows, these, and what goes into its last matrix.
///
/// A share is the softmax over all experts, made to sum to 1 over the chosen if asked.
pub(super) fn add_experts(
    part: &Experts,
    x: &[f32],
    c: usize,
    out: &mut [f32],
    mut see: impl FnMut(usize, &[f32], &[f32]),
) {
    let &Experts { router, experts, chosen, act } = part;
    let mut scores = vec![0.0; x.len() / c * experts.len()];
    multiply(x, c, &[router.part()], &mut scores, false);
    let mut rows_of: Vec<Vec<(usize, f32)>> = vec![Vec::new(); experts.len()];
    for (row, scores) in scores.chunks_exact(experts.len()).enumerate() {
        for (expert, share) in shares(scores, chosen.0, chosen.1) {
            rows_of[expert].push((row, share));
        }
    }
    for (index, (expert, rows)) in experts.iter().zip(rows_of).enumerate() {
        if rows.is_empty() {
            continue;
        }
        let inputs: Vec<f32> = rows.iter().flat_map(|(row, _)| &x[row * c..][..c]).copied().collect();
        let h = expert.inner(&inputs, c, act);
        see(index, &inputs, &h);
        let mut found = vec![0.0; rows.len() * c];
        multiply(&h, expert.down.matrix.cols(), &[expert.down.part()], &mut found, false);
        for ((row, share), found) in rows.into_iter().zip(found.chunks_exact(c)) {
            out[row * c..][..c].iter_mut().zip(found).for_each(|(out, found)| *out += share * found);
        }
    }
}

/// The likeliest `count` experts with their shares.
fn shares(scores: &[f32], count: usize, sum_to_one: bool) -> Vec<(usize, f32)> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = scores.iter().map(|score| (score - most).exp()).collect();
    let total: f32 = exps.iter().sum();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| exps[b].total_cmp(&exps[a]).then(a.cmp(&b)));
    order.truncate(count);
    let by = if sum_to_one { order.iter().map(|&e| exps[e]).sum() } else { total };
    order.into_iter().map(|e| (e, exps[e] / by)).collect()
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn the_likeliest_share() {
        let scores = [0.0, 2.0, 1.0, -1.0];
        let of_all = shares(&scores, 2, false);
        assert_eq!(of_all.iter().map(|s| s.0).collect::<Vec<_>>(), [1, 2]);
        let total: f32 = scores.iter().map(|s| s.exp()).sum();
        assert!((of_all[0].1 - 2f32.exp() / total).abs() < 1e-6);
        let to_one = shares(&scores, 2, true);
        assert!((to_one.iter().map(|s| s.1).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
