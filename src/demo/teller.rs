//! Tells the story: on the terminal in colour, elsewhere in plain lines, and kept for the page that shows it again.

use super::figures;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::io::Write;

/// A step of the story.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// When, as shown.
    pub at: String,
    /// What happens.
    pub title: String,
    /// What came of it.
    pub lines: Vec<String>,
}

/// Tells and keeps.
pub struct Teller {
    colour: bool,
    steps: Vec<Step>,
}

/// A line outside of the story.
pub fn plain(text: &str) {
    // Nobody reads any more: the story goes on for its exit status.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const OFF: &str = "\x1b[0m";

impl Teller {
    /// Nothing told yet.
    pub fn new(colour: bool) -> Self {
        Self { colour, steps: Vec::new() }
    }

    /// The next step.
    pub fn step(&mut self, at: DateTime<Utc>, title: &str) {
        let at = figures::moment(at);
        let shown = self.painted(FAINT, &at);
        let bold = self.painted(BOLD, title);
        plain(&format!("\n{shown}  {bold}"));
        self.steps.push(Step { at, title: title.to_owned(), lines: Vec::new() });
    }

    /// What came of the step.
    pub fn line(&mut self, text: &str) {
        plain(&format!("    {text}"));
        self.keep(text);
    }

    /// What came of the step and was checked.
    pub fn good(&mut self, text: &str) {
        let shown = self.painted(GREEN, text);
        plain(&format!("    {shown}"));
        self.keep(text);
    }

    /// All that was told.
    pub fn told(&self) -> Vec<Step> {
        self.steps.clone()
    }

    fn keep(&mut self, text: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.lines.push(text.to_owned());
        }
    }

    fn painted(&self, paint: &str, text: &str) -> String {
        if self.colour { format!("{paint}{text}{OFF}") } else { text.to_owned() }
    }
}
