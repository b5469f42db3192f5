//! Tasks, metrics and reports with standard errors, over anything that generates or scores text.
