//! Prompts and the trades over anything that generates text.
