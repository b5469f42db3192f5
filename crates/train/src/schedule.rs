//! Warm up, stay, wind down.

use crate::OptimizerRecipe;

/// The factor on every learning rate at `step` (from 1) with `progress` of the run done, 0 to 1.
pub(crate) fn factor(recipe: &OptimizerRecipe, step: u64, progress: f64) -> f64 {
    let up = (step as f64 / recipe.warmup_steps.max(1) as f64).min(1.0);
    let left = (1.0 - progress).max(0.0);
    let down = if recipe.warmdown > 0.0 { (left / recipe.warmdown).min(1.0) } else { 1.0 };
    up.min(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_stay_down() {
        let recipe = OptimizerRecipe { warmup_steps: 10, warmdown: 0.5, ..Default::default() };
        assert_eq!(factor(&recipe, 5, 0.01), 0.5);
        assert_eq!(factor(&recipe, 50, 0.4), 1.0);
        assert_eq!(factor(&recipe, 75, 0.75), 0.5);
        assert_eq!(factor(&recipe, 100, 1.0), 0.0);
    }
}
