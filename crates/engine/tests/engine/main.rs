//! The engine on random models.

mod common;
mod constraint;
mod generate;
mod together;
