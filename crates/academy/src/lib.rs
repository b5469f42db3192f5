//! The application: one home folder, its models, runs and events. Each stage is one function.
//!
//! Thin faces (the command line, the server) call these functions; nothing here prints or reads arguments.

mod books;
mod conversations;
mod events;
mod home;
mod hub;
pub mod inspect;
mod knowledge;
mod live;
mod live_embedder;
mod map;
mod passage_embedder;
pub mod stages;

pub use conversations::{
    Conversation, ConversationError, ConversationInfo, Conversations, Said, Settings as ConversationSettings,
};
pub use events::{Event, Events, Level, StageState};
pub use home::Home;
pub use knowledge::{Knowledge, Step, Store};
pub use live::{Academy, Lang, LiveModel};
pub use live_embedder::LiveEmbedder;
pub use map::{DocumentMap, MapPoint, NearDocument};
pub use passage_embedder::PassageEmbedder;
