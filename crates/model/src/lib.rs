//! The decoder: configuration, layers, checkpoints, and what can be seen inside.
