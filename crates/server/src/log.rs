//! One line on standard error for each request, and its count. Neither contents nor keys: a route's pattern, no query.

use crate::app::App;
use crate::metrics::Tally;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Told when it is dropped: at the end of an answer, or when the client has left.
struct Line {
    app: Arc<App>,
    method: String,
    route: String,
    status: StatusCode,
    start: Instant,
    tally: Option<Arc<Tally>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.app.metrics.request(&self.route, self.status.as_u16());
        if !self.app.access_log {
            return;
        }
        let ms = self.start.elapsed().as_secs_f64() * 1e3;
        let mut line = format!("{} {} {} {ms:.1} ms", self.method, self.route, self.status.as_u16());
        if let Some(tally) = &self.tally {
            let [read, written] = [&tally.read, &tally.written].map(|count| count.load(Ordering::Relaxed));
            line += &format!(" {read} tokens read, {written} written");
        }
        // Nobody may be listening any more, which is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

/// Around all else, so that refusals are told, too.
pub(crate) async fn log(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_string(),
        // The pages, and whatever somebody made up: one name, so that the counts stay few.
        None => "other".into(),
    };
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "PATCH") => known.to_string(),
        _ => "other".into(),
    };
    let start = Instant::now();
    let response = next.run(request).await;
    let tally = response.extensions().get::<Arc<Tally>>().cloned();
    let line = Line { app, method, route, status: response.status(), start, tally };
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = stream::unfold((body.into_data_stream(), line), |(mut body, line)| async move {
        body.next().await.map(|bytes| (bytes, (body, line)))
    });
    Response::from_parts(parts, Body::from_stream(body))
}
