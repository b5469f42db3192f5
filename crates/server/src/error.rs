//! What a client is told when something is wrong: OpenAI's error shape, everywhere.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal, with its status and what the client needs to set it right.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub message: String,
    /// Which field of the request is at fault.
    pub param: Option<String>,
    /// OpenAI's word for it, for programs.
    pub code: Option<&'static str>,
    /// After how many seconds it is worth another try.
    pub retry_after: Option<u64>,
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// 400: the request itself is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400: the field `param` is wrong. The message begins with its name.
    pub fn field(param: &str, what: impl std::fmt::Display) -> Self {
        Self { param: Some(param.into()), ..Self::bad(format!("{param}: {what}")) }
    }

    /// 404: what the address names is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The body: `{"error": {message, type, param, code}}`.
    pub fn body(&self) -> Value {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        json!({ "error": { "message": self.message, "type": kind, "param": self.param, "code": self.code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A failure of ours: told whole, since whoever runs the server is who asks.
impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

/// A text that the model cannot read is the client's to change.
impl From<shuyuan_model::ModelError> for ApiError {
    fn from(error: shuyuan_model::ModelError) -> Self {
        use shuyuan_model::ModelError::{TooLong, UnknownToken};
        match error {
            TooLong { .. } => Self::bad(error.to_string()).code("context_length_exceeded"),
            UnknownToken { .. } => Self::bad(error.to_string()),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl From<shuyuan_engine::EngineError> for ApiError {
    fn from(error: shuyuan_engine::EngineError) -> Self {
        use shuyuan_engine::EngineError::{Busy, Constraint, Failed, Field, Model};
        match error {
            Busy { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
            Constraint { .. } => Self::bad(error.to_string()),
            Failed { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            Model(error) => error.into(),
            Field { field, .. } => Self { param: Some(field.into()), ..Self::bad(error.to_string()) },
        }
    }
}

impl From<shuyuan_chain::ChainError> for ApiError {
    fn from(error: shuyuan_chain::ChainError) -> Self {
        match error {
            shuyuan_chain::ChainError::Engine(error) => error.into(),
            shuyuan_chain::ChainError::Text(error) => Self::bad(error.to_string()),
            shuyuan_chain::ChainError::Model(error) => error.into(),
            shuyuan_chain::ChainError::Knowledge(error) => error.into(),
        }
    }
}
