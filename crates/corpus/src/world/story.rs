//! Stories of the town: beats in order, one sentence of each, most of them optional.

use super::cast::Cast;
use super::draft::Draft;
use super::story_en::STORIES_EN;
use super::story_zh::STORIES_ZH;

/// A story's beats, each with its sentences; an empty one leaves the beat out.
pub(super) type Plot = &'static [&'static [&'static str]];

pub(super) fn write(cast: &mut Cast) -> Draft {
    let plot: Plot = cast.pick(&STORIES_ZH, &STORIES_EN);
    cast.beats(plot);
    Draft::text(cast)
}
