//! Borrowing tools. 借用工具。

use std::collections::HashMap;
use std::fmt;

/// A tool.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
}

/* Everything that is out.
   所有借出的工具 */
#[derive(Default)]
pub struct Board {
    out: HashMap<String, Tool>,
}

impl Board {
    /// Writes a tool down.
    pub fn borrow(&mut self, who: &str, tool: Tool) {
        self.out.insert(who.to_owned(), tool);
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

const SHELVES: usize = 4;
const HOOKS: usize = 12;

fn main() {
    let board = Board::default();
    println!("{}", board.out.len());
}
