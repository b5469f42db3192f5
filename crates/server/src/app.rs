//! The routes, what guards them, and what their handlers share.

use crate::error::{ApiError, Result};
use crate::fields::Fields;
use crate::key::{self, Key};
use crate::models::Models;
use crate::turns::Turns;
use crate::{events, inside, models, openai, origin, records, status, teach, tokenize, web};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};
use shuyuan_academy::Academy;
use shuyuan_tensor::Hardware;
use std::sync::Arc;

/// More text than any model here reads at once.
const BODY_BYTES: usize = 4 << 20;

/// What all requests share.
pub(crate) struct App {
    pub academy: Arc<Academy>,
    pub hardware: Hardware,
    pub models: Models,
    pub embedders: openai::Embedders,
    pub turns: Turns,
    pub teaching: teach::Teaching,
}

pub(crate) type Shared = axum::extract::State<Arc<App>>;

impl App {
    pub fn new(academy: Arc<Academy>) -> Arc<Self> {
        Arc::new(Self {
            academy,
            hardware: Hardware::detect(),
            models: Models::default(),
            embedders: openai::Embedders::default(),
            turns: Turns::default(),
            teaching: teach::Teaching::default(),
        })
    }
}

pub(crate) fn router(app: Arc<App>, api_key: Option<&str>) -> Router {
    let router = Router::new()
        .route("/health", get(status::health))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{name}", get(models::one))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/api/status", get(status::status))
        .route("/api/events", get(events::stream))
        .route("/api/prompt", post(status::set_prompt))
        .route("/api/corpus", get(records::corpus))
        .route("/api/runs", get(records::runs))
        .route("/api/runs/{name}", get(records::run))
        .route("/api/report", get(records::report))
        .route("/api/tokenize", post(tokenize::tokenize))
        .route("/api/explain", post(inside::explain))
        .route("/api/near", get(inside::near))
        .route("/api/teach", post(teach::teach))
        .fallback(web::file)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(app);
    match api_key {
        Some(key) => router.layer(middleware::from_fn_with_state(Arc::new(Key::new(key)), key::guard)),
        None => router.layer(middleware::from_fn(origin::guard)),
    }
}

async fn wrong_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} is there, but not for {method}"))
}

/// The fields of a request's body.
impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        match Bytes::from_request(request, state).await {
            Ok(body) => Self::read(&body),
            Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(ApiError::new(
                refused.status(),
                format!("the body is larger than {} MiB: send less text at once", BODY_BYTES >> 20),
            )),
            Err(refused) => Err(ApiError::new(refused.status(), refused.body_text())),
        }
    }
}

/// Runs `work` on a thread where it may take its time.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the work for this request broke off: {error}"),
        ))
    })
}
