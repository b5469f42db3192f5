//! Stories of the town: beats in order, one sentence of each, some of them left out.
//!
//! `town` has what happens between people on any day, `year` what the seasons, school, journeys and talking animals
//! bring. Each plot stands in both languages, at the same place.

mod town_en;
mod town_zh;
mod year_en;
mod year_zh;

use super::cast::Cast;
use super::draft::Draft;
use town_en::TOWN_EN;
use town_zh::TOWN_ZH;
use year_en::YEAR_EN;
use year_zh::YEAR_ZH;

/// A story's beats, each with its sentences; an empty one leaves the beat out.
type Plot = &'static [&'static [&'static str]];

pub(super) fn write(cast: &mut Cast) -> Draft {
    let (town, year) = cast.either((&TOWN_ZH, &YEAR_ZH), (&TOWN_EN, &YEAR_EN));
    let nth = cast.chooser.below(town.len() + year.len());
    let plot = if nth < town.len() { town[nth] } else { year[nth - town.len()] };
    cast.beats(plot);
    Draft::text(cast)
}
