//! HTTP API and web app: a thin face over the academy.
