//! A decoder's tensors as a file has them, one after the other, none of them held: the way back of `weights.rs`.

use super::Decoder;
use super::layout::{Is, Layout, row_of_pairs};
use super::weights::{FeedForward, Layer};
use crate::layers::{Linear, Mlp, Norm};
use shuyuan_kernels::{Matrix, for_rows};

/// Numbers that are held at once; a multiple of any row would do.
const CHUNK: usize = 1 << 22;

/// What a tensor does, as far as that decides how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Norms, biases, routers, positions: small, and never quantised.
    Exact,
    /// The last matrix, or the embedding that takes its place.
    Output,
    /// `v_proj` of this layer, or queries, keys and values in one.
    Value(usize),
    /// `k_proj`.
    Key,
    /// `o_proj`.
    AttentionOutput,
    /// `down_proj` of this layer, or of all its experts.
    Down(usize),
    /// Any other matrix.
    Matrix,
}

/// A tensor that can be written.
pub(crate) struct Outgoing<'a> {
    /// Its name in the file.
    pub(crate) name: String,
    /// Row-major.
    pub(crate) shape: Vec<usize>,
    pub(crate) role: Role,
    /// One after the other.
    pieces: Vec<Piece<'a>>,
    /// The file has it the other way round, (in, out).
    turned: bool,
}

struct Piece<'a> {
    rows: Rows<'a>,
    /// D, where rows lie as pairs in the file.
    pairs: Option<usize>,
    times: f32,
    plus: f32,
}

#[derive(Clone, Copy)]
enum Rows<'a> {
    Matrix(&'a Matrix),
    /// Rows of one number.
    Numbers(&'a [f32]),
}

impl Rows<'_> {
    fn count(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.rows(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Matrix(matrix) => matrix.cols(),
            Self::Numbers(_) => 1,
        }
    }
}

impl<'a> Piece<'a> {
    fn new(rows: Rows<'a>) -> Self {
        Self { rows, pairs: None, times: 1.0, plus: 0.0 }
    }

    /// Its rows from `first` on, as many as `out` has room for.
    fn read(&self, first: usize, out: &mut [f32]) {
        let columns = self.rows.columns();
        for_rows(out, columns, |at, rows| {
            for (row, out) in rows.chunks_exact_mut(columns).enumerate() {
                let row = first + at + row;
                let row = self.pairs.map_or(row, |d| row_of_pairs(row, d));
                match self.rows {
                    Rows::Matrix(matrix) => matrix.row(row, out),
                    Rows::Numbers(numbers) => out[0] = numbers[row],
                }
                if (self.times, self.plus) != (1.0, 0.0) {
                    out.iter_mut().for_each(|x| *x = *x * self.times + self.plus);
                }
            }
        });
    }
}

impl Outgoing<'_> {
    /// Numbers in it.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Gives `take` whole rows one after the other, with the index of the piece that they belong to: of the expert, where
    /// the tensor stacks experts.
    pub(crate) fn for_each_chunk<E>(
        &self,
        mut take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.turned {
            return take(0, &self.turn());
        }
        let mut chunk = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            let (count, columns) = (piece.rows.count(), piece.rows.columns());
            let step = (CHUNK / columns.max(1)).max(1);
            for first in (0..count).step_by(step) {
                chunk.resize(step.min(count - first) * columns, 0.0);
                piece.read(first, &mut chunk);
                take(index, &chunk)?;
            }
        }
        Ok(())
    }

    /// All its numbers.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let mut all = Vec::with_capacity(self.elements());
        let taken = self.for_each_chunk(|_, chunk| {
            all.extend_from_slice(chunk);
            Ok::<_, std::convert::Infallible>(())
        });
        match taken {
            Ok(()) => all,
        }
    }

    fn turn(&self) -> Vec<f32> {
        let (input, out) = (self.shape[0], self.shape[1]);
        let mut lying = vec![0.0; input * out];
        let mut at = 0;
        for piece in &self.pieces {
            let end = at + piece.rows.count() * input;
            piece.read(0, &mut lying[at..end]);
            at = end;
        }
        (0..input).flat_map(|i| lying[i..].iter().step_by(input).copied()).collect()
    }
}

impl Decoder {
    /// Its tensors under the names of `layout`. Queries are multiplied with `query_scale`, for files that have no place for
    /// the scale of attention.
    pub(super) fn outgoing(&self, layout: Layout, query_scale: f32) -> Vec<Outgoing<'_>> {
        let mut out =
            Out { layout, query_scale, heads: self.config.head_dim, prefix: String::new(), all: Vec::new() };
        let weights = &self.weights;
        let tied = self.config.tie_word_embeddings;
        let role = if tied { Role::Output } else { Role::Matrix };
        out.matrix(layout.embedding(), role, &weights.embedding);
        if let Some(positions) = &weights.positions {
            out.matrix(layout.positions(), Role::Exact, positions);
        }
        for (index, layer) in weights.layers.iter().enumerate() {
            out.prefix = layout.layer(index);
            out.layer(index, layer);
        }
        out.norm(layout.norm(), &weights.norm, 1.0);
        if !tied {
            out.matrix(layout.head().into(), Role::Output, &weights.head);
        }
        out.all
    }
}

struct Out<'a> {
    layout: Layout,
    query_scale: f32,
    /// D.
    heads: usize,
    prefix: String,
    all: Vec<Outgoing<'a>>,
}

impl<'a> Out<'a> {
    fn push(&mut self, name: String, shape: Vec<usize>, role: Role, pieces: Vec<Piece<'a>>) {
        self.all.push(Outgoing { name, shape, role, pieces, turned: false });
    }

    fn matrix(&mut self, name: String, role: Role, matrix: &'a Matrix) {
        let shape = vec![matrix.rows(), matrix.cols()];
        self.push(name, shape, role, vec![Piece::new(Rows::Matrix(matrix))]);
    }

    fn name(&self, part: Is) -> String {
        format!("{}{}", self.prefix, self.layout.part(part))
    }

    fn norm(&mut self, name: String, norm: &'a Norm, times: f32) {
        let plus = -self.layout.norm_offset();
        let weight = Piece { times, plus, ..Piece::new(Rows::Numbers(&norm.weight)) };
        self.push(format!("{name}.weight"), vec![norm.weight.len()], Role::Exact, vec![weight]);
        if let Some(bias) = &norm.bias {
            let piece = vec![Piece::new(Rows::Numbers(bias))];
            self.push(format!("{name}.bias"), vec![bias.len()], Role::Exact, piece);
        }
    }

    /// Projections as one tensor, with what their rows are multiplied with and whether they lie as pairs.
    fn linears(&mut self, name: String, role: Role, parts: &[(&'a Linear, f32, bool)]) {
        let piece = |rows: Rows<'a>, times: f32, pairs: bool| Piece {
            pairs: pairs.then_some(self.heads),
            times,
            ..Piece::new(rows)
        };
        let of = |rows: &dyn Fn(&'a Linear) -> Option<Rows<'a>>| -> Vec<Piece<'a>> {
            let one =
                |&(linear, times, pairs): &(&'a Linear, f32, bool)| Some(piece(rows(linear)?, times, pairs));
            parts.iter().filter_map(one).collect()
        };
        let weights = of(&|linear| Some(Rows::Matrix(&linear.matrix)));
        let biases = of(&|linear| linear.bias.as_deref().map(Rows::Numbers));
        let rows: usize = weights.iter().map(|piece| piece.rows.count()).sum();
        let mut shape = vec![rows, parts[0].0.matrix.cols()];
        let turned = self.layout.turned();
        if turned {
            shape.reverse();
        }
        self.all.push(Outgoing { name: format!("{name}.weight"), shape, role, pieces: weights, turned });
        if !biases.is_empty() {
            self.push(format!("{name}.bias"), vec![rows], Role::Exact, biases);
        }
    }

    fn linear(&mut self, part: Is, role: Role, linear: &'a Linear) {
        self.linears(self.name(part), role, &[(linear, 1.0, false)]);
    }

    fn layer(&mut self, index: usize, layer: &'a Layer) {
        self.norm(self.name(Is::AttentionNorm), &layer.attention_norm, 1.0);
        let pairs = self.layout.pairs();
        // Where queries are normalised, they are scaled after that.
        let (q_times, norm_times) =
            if layer.qk_norm.is_some() { (1.0, self.query_scale) } else { (self.query_scale, 1.0) };
        let (q, k, v) = ((&layer.q, q_times, pairs), (&layer.k, 1.0, pairs), (&layer.v, 1.0, false));
        if self.layout.fuses_qkv() {
            self.linears(self.name(Is::Qkv), Role::Value(index), &[q, k, v]);
        } else {
            self.linears(self.name(Is::Q), Role::Matrix, &[q]);
            self.linears(self.name(Is::K), Role::Key, &[k]);
            self.linears(self.name(Is::V), Role::Value(index), &[v]);
        }
        self.linear(Is::O, Role::AttentionOutput, &layer.o);
        if let Some((q, k)) = &layer.qk_norm {
            self.norm(self.name(Is::QNorm), q, norm_times);
            self.norm(self.name(Is::KNorm), k, 1.0);
        }
        if let Some(norm) = &layer.after_attention {
            self.norm(self.name(Is::AfterAttention), norm, 1.0);
        }
        self.norm(self.name(Is::MlpNorm), &layer.mlp_norm, 1.0);
        match &layer.mlp {
            FeedForward::Dense(mlp) => self.mlp(index, mlp),
            FeedForward::Experts { router, experts, .. } => {
                self.linear(Is::Router, Role::Exact, router);
                self.experts(index, experts);
            }
        }
        if let Some(norm) = &layer.after_mlp {
            self.norm(self.name(Is::AfterMlp), norm, 1.0);
        }
    }

    fn mlp(&mut self, index: usize, mlp: &'a Mlp) {
        match &mlp.gate {
            Some(gate) if self.layout.fuses_gate_up() => {
                let parts = [(gate, 1.0, false), (&mlp.up, 1.0, false)];
                self.linears(self.name(Is::GateUp), Role::Matrix, &parts);
            }
            gate => {
                if let Some(gate) = gate {
                    self.linear(Is::Gate, Role::Matrix, gate);
                }
                self.linear(Is::Up, Role::Matrix, &mlp.up);
            }
        }
        self.linear(Is::Down, Role::Down(index), &mlp.down);
    }

    fn experts(&mut self, index: usize, experts: &'a [Mlp]) {
        let parts = [(Is::Gate, Role::Matrix), (Is::Up, Role::Matrix), (Is::Down, Role::Down(index))];
        for (part, role) in parts {
            let matrix = |mlp: &'a Mlp| -> Option<&'a Matrix> {
                match part {
                    Is::Gate => mlp.gate.as_ref().map(|gate| &*gate.matrix),
                    Is::Up => Some(&mlp.up.matrix),
                    _ => Some(&mlp.down.matrix),
                }
            };
            let matrices: Vec<&Matrix> = experts.iter().filter_map(matrix).collect();
            let (prefix, layout) = (self.prefix.clone(), self.layout);
            let name = |expert: usize| format!("{prefix}{}.weight", layout.expert(part, expert));
            if !self.layout.stacks_experts() {
                for (expert, matrix) in matrices.into_iter().enumerate() {
                    self.matrix(name(expert), role, matrix);
                }
            } else if let Some(first) = matrices.first() {
                let shape = vec![matrices.len(), first.rows(), first.cols()];
                let pieces = matrices.iter().map(|matrix| Piece::new(Rows::Matrix(matrix))).collect();
                self.push(name(0), shape, role, pieces);
            }
        }
    }
}
