//! A page's drawing operators, to letters and lines with their places: x to the right, y down, in points.

use super::font::Font;
use super::measure::is_picture;
use crate::parse::budget::Budget;
use hayro_syntax::content::UntypedIter;
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page, Resources};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Operators of a page that are followed: forms that draw forms that draw forms may be any number.
const OPERATORS: usize = 4_000_000;
/// Letters of a page.
const LETTERS: usize = 400_000;
/// Lines of a page.
const LINES: usize = 40_000;
/// Forms within forms.
const DEPTH: usize = 12;

/// A letter.
#[derive(Clone, Copy)]
pub(crate) struct Letter {
    pub(crate) char: char,
    pub(crate) x0: f32,
    pub(crate) x1: f32,
    /// Of the baseline.
    pub(crate) y: f32,
    pub(crate) size: f32,
    pub(crate) bold: bool,
    pub(crate) mono: bool,
}

/// A drawn line, upright or level.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) x0: f32,
    pub(crate) y0: f32,
    pub(crate) x1: f32,
    pub(crate) y1: f32,
}

/// What stands on a page.
#[derive(Default)]
pub(crate) struct Read {
    /// By the direction in which they run: right, down, left, up; turned so that each runs to the right.
    pub(crate) letters: [Vec<Letter>; 4],
    pub(crate) lines: Vec<Line>,
    pub(crate) pictures: usize,
    /// Signs whose font does not say what they mean.
    pub(crate) unknown: usize,
    /// Whether it draws more than is followed.
    pub(crate) cut: bool,
}

impl Read {
    /// Letters in all directions, spaces aside.
    pub(crate) fn count(&self) -> usize {
        self.letters.iter().flatten().filter(|letter| !letter.char.is_whitespace()).count()
    }
}

/// The fonts met so far.
#[derive(Default)]
pub(crate) struct Fonts(FxHashMap<ObjectIdentifier, Rc<Font>>);

impl Fonts {
    fn get(&mut self, dict: &Dict<'_>) -> Rc<Font> {
        match dict.obj_id() {
            Some(id) => Rc::clone(self.0.entry(id).or_insert_with(|| Rc::new(Font::new(dict)))),
            None => Rc::new(Font::new(dict)),
        }
    }
}

/// Follows a page's operators.
pub(crate) fn read(page: &Page<'_>, fonts: &mut Fonts, budget: &Budget) -> Read {
    let mut data = Vec::new();
    let unpacked = |stream: Stream<'_>| -> Vec<u8> {
        let data = if is_picture(&stream) { None } else { stream.decoded_data().ok() };
        data.map(|data| data.into_owned()).unwrap_or_default()
    };
    // Not by the page itself: it would keep them all.
    if let Some(stream) = page.raw().get::<Stream<'_>>(b"Contents") {
        data = unpacked(stream);
    } else if let Some(streams) = page.raw().get::<Array<'_>>(b"Contents") {
        for stream in streams.iter::<Stream<'_>>() {
            data.extend(unpacked(stream));
            data.push(b' ');
            if data.len() as u64 > budget.limits.unpacked || budget.check().is_err() {
                break;
            }
        }
    }
    let mut follow = Follow { read: Read::default(), fonts, budget, operators: 0 };
    follow.run(&data, page.resources(), Matrix(page.initial_transform(true).as_coeffs()), 0);
    follow.read
}

/// `[a b c d e f]`, as PDF has it.
#[derive(Clone, Copy)]
struct Matrix([f64; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// First this one, then the other.
    fn then(self, other: Self) -> Self {
        let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (self.0, other.0);
        Self([
            a * p + b * r,
            a * q + b * s,
            c * p + d * r,
            c * q + d * s,
            e * p + f * r + t,
            e * q + f * s + u,
        ])
    }

    fn apply(self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }
}

/// What `q` keeps and `Q` brings back.
#[derive(Clone)]
struct State {
    place: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    letter_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

struct Follow<'f> {
    read: Read,
    fonts: &'f mut Fonts,
    budget: &'f Budget,
    operators: usize,
}

impl Follow<'_> {
    fn run(&mut self, data: &[u8], resources: &Resources<'_>, place: Matrix, depth: usize) {
        let mut state = State {
            place,
            font: None,
            size: 1.0,
            letter_space: 0.0,
            word_space: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let mut kept: Vec<State> = Vec::new();
        let (mut text, mut line) = (Matrix::IDENTITY, Matrix::IDENTITY);
        let mut path = Path::default();
        let mut operations = UntypedIter::new(data);
        while let Some(operation) = operations.next() {
            self.operators += 1;
            if self.operators > OPERATORS
                || (self.operators.is_multiple_of(1024) && self.budget.check().is_err())
            {
                self.read.cut = true;
                return;
            }
            let operands = || operation.operands();
            let mut numbers = [0.0f64; 6];
            let mut count = 0;
            for (slot, object) in numbers.iter_mut().zip(operands().filter_map(|object| match object {
                Object::Number(number) => Some(number.as_f64()),
                _ => None,
            })) {
                *slot = number_in_range(object);
                count += 1;
            }
            let [a, b, c, d, ..] = numbers;
            match &**operation.operator {
                b"q" if kept.len() < 4096 => kept.push(state.clone()),
                b"Q" => state = kept.pop().unwrap_or(state),
                b"cm" if count == 6 => state.place = Matrix(numbers).then(state.place),
                b"BT" => (text, line) = (Matrix::IDENTITY, Matrix::IDENTITY),
                b"Tf" => {
                    state.size = a;
                    let name = operands()
                        .find_map(|object| if let Object::Name(name) = object { Some(name) } else { None });
                    let dict = name.and_then(|name: &Name<'_>| resources.get_font(name));
                    state.font = dict.map(|dict| self.fonts.get(&dict));
                }
                b"Tm" if count == 6 => (text, line) = (Matrix(numbers), Matrix(numbers)),
                b"Td" | b"TD" => {
                    if &**operation.operator == b"TD" {
                        state.leading = -b;
                    }
                    line = Matrix([1.0, 0.0, 0.0, 1.0, a, b]).then(line);
                    text = line;
                }
                b"T*" => {
                    line = Matrix([1.0, 0.0, 0.0, 1.0, 0.0, -state.leading]).then(line);
                    text = line;
                }
                b"Tc" => state.letter_space = a,
                b"Tw" => state.word_space = a,
                b"Tz" => state.stretch = a / 100.0,
                b"TL" => state.leading = a,
                b"Ts" => state.rise = a,
                b"Tj" | b"TJ" | b"'" | b"\"" => {
                    let operator = &**operation.operator;
                    if operator == b"\"" {
                        (state.word_space, state.letter_space) = (a, b);
                    }
                    if matches!(operator, b"'" | b"\"") {
                        line = Matrix([1.0, 0.0, 0.0, 1.0, 0.0, -state.leading]).then(line);
                        text = line;
                    }
                    for object in operands() {
                        match object {
                            Object::String(bytes) => self.show(bytes.as_bytes(), &state, &mut text),
                            Object::Array(array) => {
                                for object in array.iter::<Object<'_>>() {
                                    match object {
                                        Object::String(bytes) => {
                                            self.show(bytes.as_bytes(), &state, &mut text)
                                        }
                                        Object::Number(number) => {
                                            let shift =
                                                -number_in_range(number.as_f64()) / 1000.0 * state.size;
                                            let vertical =
                                                state.font.as_ref().is_some_and(|font| font.vertical);
                                            let (x, y) = if vertical {
                                                (0.0, shift)
                                            } else {
                                                (shift * state.stretch, 0.0)
                                            };
                                            text = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(text);
                                        }
                                        _ => {}
                                    }
                                }
                            }
                            _ => {}
                        }
                    }
                }
                b"Do" => {
                    let name = operands()
                        .find_map(|object| if let Object::Name(name) = object { Some(name) } else { None });
                    let Some(object) = name.and_then(|name| resources.get_x_object(name)) else { continue };
                    self.draw(&object, resources, state.place, depth);
                }
                b"BI" => self.read.pictures += 1,
                b"m" => path.move_to(state.place.apply(a, b)),
                b"l" => path.line_to(state.place.apply(a, b)),
                b"c" | b"v" | b"y" => path.curved = true,
                b"h" => path.close(),
                b"re" if count >= 4 => path.rectangle(state.place, a, b, c, d),
                b"S" | b"s" | b"B" | b"B*" | b"b" | b"b*" => {
                    if matches!(&**operation.operator, b"s" | b"b" | b"b*") {
                        path.close();
                    }
                    path.paint(true, &mut self.read.lines);
                }
                b"f" | b"F" | b"f*" => path.paint(false, &mut self.read.lines),
                b"n" => path = Path::default(),
                _ => {}
            }
        }
    }

    fn draw(&mut self, object: &Stream<'_>, resources: &Resources<'_>, place: Matrix, depth: usize) {
        let dict = object.dict();
        let form = dict.get::<Name<'_>>(b"Subtype").is_some_and(|name| name.as_str() == "Form");
        if !form {
            self.read.pictures += 1;
            return;
        }
        if depth >= DEPTH {
            self.read.cut = true;
            return;
        }
        let mut matrix = Matrix::IDENTITY;
        if let Some(numbers) = dict.get::<Array<'_>>(b"Matrix") {
            for (slot, number) in matrix.0.iter_mut().zip(numbers.iter::<f64>()) {
                *slot = number_in_range(number);
            }
        }
        let Ok(data) = object.decoded_data() else { return };
        // Its bytes count as operators: unpacking it again and again takes time too.
        self.operators += data.len() / 16;
        let own = dict.get::<Dict<'_>>(b"Resources").map(Resources::new);
        self.run(&data, own.as_ref().unwrap_or(resources), matrix.then(place), depth + 1);
    }

    fn show(&mut self, bytes: &[u8], state: &State, text: &mut Matrix) {
        let Some(font) = &state.font else {
            self.read.unknown += bytes.len();
            return;
        };
        let Read { letters, unknown, cut, .. } = &mut self.read;
        if letters.iter().map(Vec::len).sum::<usize>() > LETTERS {
            *cut = true;
            return;
        }
        font.signs(bytes, |sign| {
            let whole = text.then(state.place);
            let [a, b, c, d, ..] = whole.0;
            let size = (state.size * (c * c + d * d).sqrt()).abs();
            let space = state.letter_space + if sign.space { state.word_space } else { 0.0 };
            let width = f64::from(sign.width);
            let (x, y, advance);
            if font.vertical {
                // Downwards by one size each, the letter upright.
                advance = state.size + space;
                (x, y) = (0.0, -advance);
            } else {
                advance = (width * state.size + space) * state.stretch;
                (x, y) = (advance, 0.0);
            }
            let from = whole.apply(0.0, state.rise);
            let drawn =
                if font.vertical { (0.0, -state.size) } else { (width * state.size * state.stretch, 0.0) };
            let to = whole.apply(drawn.0, drawn.1 + state.rise);
            *text = Matrix([1.0, 0.0, 0.0, 1.0, x, y]).then(*text);
            let Some(meaning) = sign.text else {
                *unknown += 1;
                return;
            };
            let (dx, dy) =
                if font.vertical { (-c, -d) } else { (a * state.size.signum(), b * state.size.signum()) };
            let (turn, from, to) = if dx.abs() >= dy.abs() {
                if dx >= 0.0 { (0, from, to) } else { (2, (-from.0, -from.1), (-to.0, -to.1)) }
            } else if dy > 0.0 {
                (1, (from.1, -from.0), (to.1, -to.0))
            } else {
                (3, (-from.1, from.0), (-to.1, to.0))
            };
            let finite =
                [from.0, from.1, to.0, size].iter().all(|number| number.is_finite() && number.abs() < 1e6);
            if !finite || size < 0.1 {
                return;
            }
            // A ligature is as wide as its letters together.
            let chars = meaning.chars().flat_map(unjoined);
            let count = chars.clone().count().max(1) as f64;
            for (index, char) in chars.enumerate() {
                let part = |index: f64| (from.0 + (to.0 - from.0) * index / count) as f32;
                let (x0, x1) = (part(index as f64), part(index as f64 + 1.0));
                let letter = Letter {
                    char,
                    x0,
                    x1: x1.max(x0),
                    y: from.1 as f32,
                    size: size as f32,
                    bold: font.bold,
                    mono: font.mono,
                };
                letters[turn].push(letter);
            }
        });
    }
}

/// A ligature's letters, that words be found whichever way they are set.
fn unjoined(char: char) -> impl Iterator<Item = char> + Clone {
    let letters = match char {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        _ => "",
    };
    letters.chars().chain(letters.is_empty().then_some(char))
}

fn number_in_range(number: f64) -> f64 {
    if number.is_finite() { number.clamp(-1e7, 1e7) } else { 0.0 }
}

/// The open path: its level and upright lines.
#[derive(Default)]
struct Path {
    at: (f64, f64),
    begin: (f64, f64),
    lines: Vec<Line>,
    /// Whether it has curves: then it is a drawing.
    curved: bool,
}

impl Path {
    fn move_to(&mut self, to: (f64, f64)) {
        (self.at, self.begin) = (to, to);
    }

    fn line_to(&mut self, to: (f64, f64)) {
        let from = std::mem::replace(&mut self.at, to);
        if self.lines.len() < LINES && ((from.0 - to.0).abs() < 1.0 || (from.1 - to.1).abs() < 1.0) {
            self.lines.push(Line {
                x0: from.0.min(to.0) as f32,
                y0: from.1.min(to.1) as f32,
                x1: from.0.max(to.0) as f32,
                y1: from.1.max(to.1) as f32,
            });
        }
    }

    fn close(&mut self) {
        self.line_to(self.begin);
    }

    fn rectangle(&mut self, place: Matrix, x: f64, y: f64, width: f64, height: f64) {
        self.move_to(place.apply(x, y));
        self.line_to(place.apply(x + width, y));
        self.line_to(place.apply(x + width, y + height));
        self.line_to(place.apply(x, y + height));
        self.close();
    }

    /// Keeps its lines if it is drawn; if it is filled, only what is as thin as a line.
    fn paint(&mut self, stroke: bool, lines: &mut Vec<Line>) {
        let path = std::mem::take(self);
        if path.curved || lines.len() + path.lines.len() > LINES {
            return;
        }
        if stroke {
            lines.extend(path.lines);
            return;
        }
        for sides in path.lines.chunks(4) {
            let x0 = sides.iter().map(|line| line.x0).fold(f32::MAX, f32::min);
            let y0 = sides.iter().map(|line| line.y0).fold(f32::MAX, f32::min);
            let x1 = sides.iter().map(|line| line.x1).fold(f32::MIN, f32::max);
            let y1 = sides.iter().map(|line| line.y1).fold(f32::MIN, f32::max);
            if (x1 - x0).min(y1 - y0) < 3.0 {
                lines.push(Line { x0, y0, x1, y1 });
            }
        }
    }
}
