//! CPU kernels over plain slices, each with a scalar oracle. Knows nothing of tensors or language.
