//! What happens in the academy, as server-sent events: first what happened so far, then what happens.

use crate::app::Shared;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::convert::Infallible;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

/// How often one looks for news: below what an eye notices.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn stream(State(app): Shared) -> Response {
    let (history, live) = app.academy.events.subscribe();
    let ending = app.ending.subscribe();
    let events =
        stream::unfold((history.into_iter(), live, ending), |(mut history, live, ending)| async move {
            let event = match history.next() {
                Some(event) => event,
                None => loop {
                    match live.try_recv() {
                        Ok(event) => break event,
                        // It would keep a server from ending that waits for what runs.
                        Err(TryRecvError::Empty) if *ending.borrow() => return None,
                        Err(TryRecvError::Empty) => tokio::time::sleep(LOOK).await,
                        Err(TryRecvError::Disconnected) => return None,
                    }
                },
            };
            let data = serde_json::to_string(&event).unwrap_or_default();
            Some((Ok::<_, Infallible>(Event::default().data(data)), (history, live, ending)))
        });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)));
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}
