//! Angles by position: RoPE and the ways in which models stretch it.
//!
//! Sources: arXiv:2104.09864 (RoPE), arXiv:2309.00071 (YaRN), transformers' `modeling_rope_utils.py` (all formulas).

use crate::ModelError;
use std::f64::consts::PI;
use std::sync::{Arc, RwLock};

/// How positions turn heads.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// The base of the angles.
    pub theta: f64,
    /// Numbers of a head that are turned, from its first on; even.
    pub rotary_dim: usize,
    /// How angles differ from those of the paper.
    pub scaling: Scaling,
}

/// How a model reads texts longer than those that it was first trained on.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// It does not.
    None,
    /// All angles divided.
    Linear {
        /// By this.
        factor: f64,
    },
    /// Slow angles divided, fast ones kept: Llama 3.1.
    Llama3 {
        /// By this.
        factor: f64,
        /// Angles with fewer turns in the original context are slow.
        low_freq_factor: f64,
        /// Angles with more are fast.
        high_freq_factor: f64,
        /// The original context.
        original: f64,
    },
    /// As before, between two numbers of turns, and heads scaled: YaRN.
    Yarn {
        /// By this.
        factor: f64,
        /// Turns above which an angle is kept.
        beta_fast: f64,
        /// Turns below which it is divided.
        beta_slow: f64,
        /// The original context.
        original: f64,
        /// Cosines and sines are multiplied by this.
        attention_factor: f64,
    },
    /// Each angle divided by a factor of its own, by another one beyond the original context: Phi-3.
    Longrope {
        /// Within the original context.
        short: Vec<f64>,
        /// Beyond it.
        long: Vec<f64>,
        /// The original context.
        original: usize,
        /// Cosines and sines are multiplied by this.
        attention_factor: f64,
    },
    /// Each angle divided by a factor of its own: Llama 3.1 in GGUF.
    Factors(Vec<f64>),
}

impl RopeConfig {
    pub(super) fn validate(&self, head_dim: usize) -> Result<(), ModelError> {
        let error = |text: String| Err(ModelError::Config(text));
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if self.rotary_dim == 0 || self.rotary_dim > head_dim || !self.rotary_dim.is_multiple_of(2) {
            return error(format!(
                "RoPE turns {} of a head's {head_dim} numbers: must be even and fit",
                self.rotary_dim
            ));
        }
        let numbers: &[f64] = match &self.scaling {
            Scaling::None => &[],
            Scaling::Linear { factor } => &[*factor],
            Scaling::Llama3 { factor, low_freq_factor, high_freq_factor, original } => {
                if high_freq_factor <= low_freq_factor {
                    return error(format!(
                        "high_freq_factor ({high_freq_factor}) must be above low_freq_factor ({low_freq_factor})"
                    ));
                }
                &[*factor, *low_freq_factor, *original]
            }
            Scaling::Yarn { factor, beta_fast, beta_slow, original, attention_factor } => {
                &[*factor, *beta_fast, *beta_slow, *original, *attention_factor]
            }
            Scaling::Longrope { short, long, original, attention_factor } => {
                let wanted = self.rotary_dim / 2;
                if [short.len(), long.len()] != [wanted; 2]
                    || *original == 0
                    || short.iter().chain(long).any(|x| !positive(*x))
                {
                    return error(format!(
                        "longrope needs {wanted} positive short and long factors, found {} and {}",
                        short.len(),
                        long.len()
                    ));
                }
                &[*attention_factor]
            }
            Scaling::Factors(factors) => {
                if factors.len() != self.rotary_dim / 2 {
                    return error(format!(
                        "RoPE needs {} factors, found {}",
                        self.rotary_dim / 2,
                        factors.len()
                    ));
                }
                factors
            }
        };
        match numbers.iter().chain([&self.theta]).find(|x| !positive(**x)) {
            Some(x) => error(format!("RoPE's numbers must be positive, found {x}")),
            None => Ok(()),
        }
    }

    /// Angles per position, and what cosines and sines are multiplied by.
    pub(super) fn frequencies(&self, long: bool) -> (Vec<f32>, f32) {
        let half = self.rotary_dim / 2;
        let plain = |i: usize| self.theta.powf(-2.0 * i as f64 / self.rotary_dim as f64);
        let mut by = 1.0;
        let frequency = |i: usize| {
            let f = plain(i);
            match &self.scaling {
                Scaling::None => f,
                Scaling::Linear { factor } => f / factor,
                Scaling::Llama3 { factor, low_freq_factor, high_freq_factor, original } => {
                    let turns = original * f / (2.0 * PI);
                    if turns < *low_freq_factor {
                        f / factor
                    } else if turns > *high_freq_factor {
                        f
                    } else {
                        let smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                }
                Scaling::Yarn { factor, beta_fast, beta_slow, original, .. } => {
                    let dim = self.rotary_dim as f64;
                    let at =
                        |turns: f64| dim * (original / (turns * 2.0 * PI)).ln() / (2.0 * self.theta.ln());
                    let low = at(*beta_fast).floor().max(0.0);
                    let high = at(*beta_slow).ceil().min(dim - 1.0);
                    let high = if high == low { high + 0.001 } else { high };
                    let ramp = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    f / factor * ramp + f * (1.0 - ramp)
                }
                Scaling::Longrope { short, long: far, .. } => f / if long { far[i] } else { short[i] },
                Scaling::Factors(factors) => f / factors[i],
            }
        };
        let frequencies = (0..half).map(|i| frequency(i) as f32).collect();
        if let Scaling::Yarn { attention_factor, .. } | Scaling::Longrope { attention_factor, .. } =
            &self.scaling
        {
            by = *attention_factor as f32;
        }
        (frequencies, by)
    }

    fn is_long(&self, tokens: usize) -> bool {
        matches!(&self.scaling, Scaling::Longrope { original, .. } if tokens > *original)
    }
}

/// Cosines and sines of positions 0 to n, (n, R) each.
#[derive(Debug)]
pub(super) struct Angles {
    width: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    fn new(config: &RopeConfig, long: bool, positions: usize) -> Self {
        let (frequencies, by) = config.frequencies(long);
        let angles = (0..positions).flat_map(|t| frequencies.iter().map(move |f| f64::from(t as f32 * f)));
        let (sin, cos) = angles.map(|angle| (angle.sin() as f32 * by, angle.cos() as f32 * by)).unzip();
        Self { width: frequencies.len(), cos, sin }
    }

    fn positions(&self) -> usize {
        self.cos.len() / self.width
    }

    /// Cosines and sines of one position.
    pub(super) fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.width..(position + 1) * self.width;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

/// The angles of one RoPE, which grow with the texts that come: those of a million positions would fill a gigabyte.
#[derive(Debug)]
pub(super) struct Rope {
    config: RopeConfig,
    short: RwLock<Arc<Angles>>,
    long: RwLock<Arc<Angles>>,
}

impl Rope {
    pub(super) fn new(config: &RopeConfig) -> Self {
        let empty = |long| RwLock::new(Arc::new(Angles::new(config, long, 0)));
        Self { config: config.clone(), short: empty(false), long: empty(true) }
    }

    /// Whether a text of `tokens` is beyond the original context, and that matters.
    pub(super) fn is_long(&self, tokens: usize) -> bool {
        self.config.is_long(tokens)
    }

    /// At least the angles of `tokens` positions, of a text beyond the original context if `long`.
    pub(super) fn angles(&self, tokens: usize, long: bool) -> Arc<Angles> {
        let table = if long { &self.long } else { &self.short };
        let found = table.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        if found.positions() >= tokens {
            return found;
        }
        let grown = Arc::new(Angles::new(&self.config, long, tokens.next_power_of_two().max(256)));
        *table.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = grown.clone();
        grown
    }
}
