//! One thing at a time: no lesson beside a run that trains, none beside another lesson.

use crate::common::{Answer, World, get, post, start, tiny};
use serde_json::json;
use shuyuan_academy::{Event, Level, StageState};
use std::time::Duration;

fn teach(world: &World) -> Answer {
    post(world, "/api/teach", json!({ "lines": ["the cat sat on the mat"], "seconds": 1 }))
}

fn stage(world: &World, name: &str, state: StageState) {
    let (title, sentence) = (String::new(), String::new());
    world.academy.events.send(Event::Stage { name: name.into(), state, title, sentence, seconds: 0.0 });
}

fn refused(answer: &Answer, named: &str) {
    assert_eq!(answer.status, 409, "{}", answer.body);
    let error = &answer.json()["error"];
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(named) && message.contains("wait until it is done"), "{message}");
    assert_eq!(error["code"], "busy");
}

#[test]
fn a_lesson_waits_for_what_is_under_way() {
    let world = start(None, Some(tiny(512)));
    for name in ["pretrain", "finetune"] {
        stage(&world, name, StageState::Start);
        refused(&teach(&world), name);
        stage(&world, name, StageState::Done);
    }
    assert!(!world.academy.home.run("teach").exists(), "a refused lesson leaves nothing");

    // What fails is under way no more, and to serve is no work in progress.
    stage(&world, "pretrain", StageState::Start);
    world.academy.events.message(Level::Error, "the disk is full");
    stage(&world, "serve", StageState::Start);
    let (_, events) = world.academy.events.subscribe();
    assert_eq!(teach(&world).status, 202);
    refused(&teach(&world), "");
    assert_eq!(get(&world, "/api/status").json()["model"], "tiny");

    let over = |event: &Event| match event {
        Event::Stage { name, state: StageState::Done, .. } => name == "teach",
        Event::Message { level: Level::Error, text } => panic!("{text}"),
        _ => false,
    };
    while !over(&events.recv_timeout(Duration::from_secs(60)).unwrap()) {}
    assert!(world.academy.home.run("teach").join("model/model.safetensors").exists());
}
