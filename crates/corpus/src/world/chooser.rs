//! Every random choice of the generator passes here, so that what the choices weigh is known to the nat.

/// A seeded source of choices that adds up -ln p of each one.
pub(crate) struct Chooser {
    state: u64,
    nats: f64,
}

impl Chooser {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, nats: 0.0 }
    }

    /// The sum of -ln p over all choices made so far.
    pub fn nats(&self) -> f64 {
        self.nats
    }

    /// Sets the sum, for whoever rejected draws and knows better.
    pub fn recount(&mut self, nats: f64) {
        self.nats = nats;
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): passes BigCrush, one multiply-xor chain a draw.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, each equally likely; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n <= 1 {
            return 0;
        }
        self.nats += (n as f64).ln();
        ((u128::from(self.draw()) * n as u128) >> 64) as usize
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// One of `items`, each equally likely. Panics on an empty slice: every slice here is ours.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of `texts`, each as likely as often it is there.
    pub fn pick_text<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        let text = *self.pick(texts);
        let times = texts.iter().filter(|&&other| other == text).count();
        self.nats -= (times as f64).ln();
        text
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        if p <= 0.0 || p >= 1.0 {
            return p >= 1.0;
        }
        let yes = self.unit() < p;
        self.nats -= if yes { p.ln() } else { (1.0 - p).ln() };
        yes
    }

    /// An index into `weights`, as likely as its weight; the first where all are zero.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut rest = self.unit() * total;
        for (i, &w) in weights.iter().enumerate() {
            if w > 0.0 && rest < w {
                self.nats -= (w / total).ln();
                return i;
            }
            rest -= w;
        }
        weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
    }

    /// 0 to n in some order, every order equally likely.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Chooser;

    #[test]
    fn nats_are_those_of_the_choices() {
        let mut chooser = Chooser::new(1);
        chooser.below(8);
        chooser.below(1);
        assert!((chooser.nats() - 8f64.ln()).abs() < 1e-12);
        let before = chooser.nats();
        let yes = chooser.chance(0.25);
        let p: f64 = if yes { 0.25 } else { 0.75 };
        assert!((chooser.nats() - before + p.ln()).abs() < 1e-12);
        let before = chooser.nats();
        chooser.order(4);
        assert!((chooser.nats() - before - 24f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_text_twice_is_twice_as_likely() {
        let mut chooser = Chooser::new(2);
        let text = chooser.pick_text(&["", "", "rain", ""]);
        let p: f64 = if text.is_empty() { 0.75 } else { 0.25 };
        assert!((chooser.nats() + p.ln()).abs() < 1e-12);
    }

    #[test]
    fn choices_are_as_likely_as_they_say() {
        let mut chooser = Chooser::new(7);
        let mut counts = [0usize; 3];
        for _ in 0..30_000 {
            counts[chooser.weighted(&[1.0, 2.0, 3.0])] += 1;
        }
        for (count, share) in counts.iter().zip([1.0, 2.0, 3.0]) {
            let expected = 30_000.0 * share / 6.0;
            // Six standard deviations of a binomial at n = 30,000 are below 520.
            assert!((*count as f64 - expected).abs() < 520.0, "{counts:?}");
        }
    }
}
