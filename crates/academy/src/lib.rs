//! The application: one home folder, its models, runs and events. Each stage is one function.
