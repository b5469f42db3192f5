//! The routes, what guards them, and what their handlers share.

use crate::error::{ApiError, Result};
use crate::fields::Fields;
use crate::kb::{self, Syncing};
use crate::key::{self, Keys};
use crate::metrics::{self, Metrics};
use crate::models::{Models, Pool};
use crate::serve::ServeOptions;
use crate::turns::Turns;
use crate::{
    conversations, events, inside, log, models, openai, origin, records, status, teach, tokenize, web,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{delete, get, post};
use shuyuan_academy::Academy;
use shuyuan_tensor::Hardware;
use std::sync::Arc;
use tokio::sync::watch;

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
    pub syncing: Syncing,
    pub metrics: Arc<Metrics>,
    pub slide: bool,
    pub access_log: bool,
    /// True once the server is ending.
    pub ending: watch::Sender<bool>,
}

pub(crate) type Shared = axum::extract::State<Arc<App>>;

impl App {
    pub fn new(academy: Arc<Academy>, options: &ServeOptions) -> Arc<Self> {
        let hardware = Hardware::detect();
        let half = (hardware.memory_gib / 2.0 * f64::from(1 << 30)) as usize;
        let budget = options.model_memory.unwrap_or(half.max(1 << 30));
        if let Some(bytes) = options.cache_memory {
            academy.bound_cache(bytes);
        }
        Arc::new(Self {
            academy,
            hardware,
            models: Models::new(Pool::new(budget, options.idle, options.cache_memory)),
            embedders: openai::Embedders::default(),
            turns: Turns::new(options.at_once.clamp(1, 1024)),
            teaching: teach::Teaching::default(),
            syncing: Syncing::default(),
            metrics: Arc::default(),
            slide: options.slide,
            access_log: options.access_log,
            ending: watch::Sender::new(false),
        })
    }

    /// Sends away who waits and who comes, and ends the streams that have no end; what runs goes on.
    pub fn end(&self) {
        self.turns.close();
        self.syncing.stop();
        self.ending.send_replace(true);
    }
}

pub(crate) fn router(app: Arc<App>, api_key: Option<&str>) -> Router {
    let router = Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{name}", get(models::one))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/responses", post(openai::responses))
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
        .route("/api/conversations", get(conversations::list).post(conversations::begin))
        .route(
            "/api/conversations/{id}",
            get(conversations::read)
                .put(conversations::save)
                .patch(conversations::rename)
                .delete(conversations::delete),
        )
        .route("/api/kb", get(kb::state))
        .route("/api/kb/search", post(kb::search))
        .route("/api/kb/ask", post(kb::ask))
        .route("/api/kb/documents", get(kb::documents))
        .route("/api/kb/documents/{id}", get(kb::document).delete(kb::remove_document))
        .route("/api/kb/documents/{id}/original", get(kb::original))
        .route("/api/kb/failures", get(kb::failures))
        .route("/api/kb/upload", post(kb::upload).delete(kb::remove_upload))
        .route("/api/kb/sources", post(kb::add_source))
        .route("/api/kb/sources/{name}", delete(kb::remove_source))
        .route("/api/kb/sync", post(kb::sync))
        .route("/api/kb/map", get(kb::map))
        .route("/api/kb/near/{id}", get(kb::near))
        .fallback(web::file)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(app.clone());
    // Who watches over servers has no key.
    let open = Router::new()
        .route("/health", get(status::health))
        .route("/health/ready", get(status::ready))
        .method_not_allowed_fallback(wrong_method)
        .with_state(app.clone());
    let open = match api_key {
        Some(_) => open,
        None => open.layer(middleware::from_fn(origin::guard)),
    };
    let keys = Arc::new(Keys::new(api_key, app.academy.home.root()));
    let guarded = router.layer(middleware::from_fn_with_state(keys, key::guard)).merge(open);
    guarded.layer(middleware::from_fn_with_state(app, log::log))
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
