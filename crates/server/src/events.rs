//! What happens in the academy, as server-sent events: first what happened so far, then what happens.

use crate::app::Shared;
use crate::key::Whose;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use shuyuan_academy::Event;
use shuyuan_knowledge::Reader;
use std::convert::Infallible;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

/// How often one looks for news: below what an eye notices.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn stream(Whose(reader): Whose, State(app): Shared) -> Response {
    let (history, live) = app.academy.events.subscribe();
    let ending = app.ending.subscribe();
    // Messages name files, which not everyone may know of.
    let told = move |event: &Event| reader == Reader::Owner || !matches!(event, Event::Message { .. });
    let history: Vec<Event> = history.into_iter().filter(&told).collect();
    let events = stream::unfold(
        (history.into_iter(), live, ending, told),
        |(mut history, live, ending, told)| async move {
            let event = match history.next() {
                Some(event) => event,
                None => loop {
                    match live.try_recv() {
                        Ok(event) if told(&event) => break event,
                        Ok(_) => {}
                        // It would keep a server from ending that waits for what runs.
                        Err(TryRecvError::Empty) if *ending.borrow() => return None,
                        Err(TryRecvError::Empty) => tokio::time::sleep(LOOK).await,
                        Err(TryRecvError::Disconnected) => return None,
                    }
                },
            };
            let data = serde_json::to_string(&event).unwrap_or_default();
            Some((Ok::<_, Infallible>(Sent::default().data(data)), (history, live, ending, told)))
        },
    );
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)));
    ([(header::CACHE_CONTROL, "no-store")], sse).into_response()
}
