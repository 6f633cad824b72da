//! A drawing as SVG text. Widths are percentages and heights pixels, so that it fills its container while letters and lines
//! keep their size; the room for the scale's labels is padding, outside of what 100 % means.
//!
//! Written straight into the page's text: pages are drawn anew at every view, and no cache of them has to be kept.

use super::scale::Fixed;
use std::fmt::{self, Display, Formatter};

const DOWN: &str = super::DOWN_COLOUR;
const UP: &str = super::UP_COLOUR;

/// What is drawn; lengths are pixels from the plot's left and the picture's top, or percentages of the plot.
pub(super) struct Drawing<'a> {
    /// What the ids begin with, so that two charts on one page do not clash.
    pub(super) id: &'static str,
    pub(super) title: &'a str,
    pub(super) summary: String,
    /// The room for the scale's labels, left of the plot.
    pub(super) pad: i32,
    /// The plot's upper and lower edge.
    pub(super) top: u32,
    pub(super) bottom: u32,
    /// The width of a slot and of a bar.
    pub(super) slot: Percent,
    pub(super) width: Percent,
    pub(super) legend: Vec<Legend>,
    /// The scale's lines from zero upwards: where, and what stands beside it.
    pub(super) ticks: Vec<(Fixed, Fixed)>,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<(Percent, &'a str)>,
    pub(super) periods: Vec<Period<'a>>,
}

/// A part of the plot's width.
#[derive(Clone, Copy)]
pub(super) struct Percent(pub(super) Fixed);

/// Which way, or neither: traffic that a plan does not count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Down,
    Up,
    Free,
}

pub(super) struct Bar {
    pub(super) tip: String,
    pub(super) x: Percent,
    pub(super) parts: Vec<Part>,
}

pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) free: bool,
    pub(super) x: Percent,
    pub(super) y: Fixed,
    pub(super) height: Fixed,
}

pub(super) struct Legend {
    pub(super) kind: Kind,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) text: String,
}

pub(super) struct Period<'a> {
    pub(super) x: Percent,
    pub(super) at_end: bool,
    pub(super) text: &'a str,
    pub(super) line: Option<Percent>,
}

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// Text within an element or an attribute. Escapes are numeric or XML's own, so they hold in HTML and in SVG.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['<', '>', '&', '"', '\'', '/']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => "&quot;",
                b'\'' => "&#x27;",
                _ => "&#x2f;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// The attributes that a part or a swatch is painted with.
struct Paint {
    id: &'static str,
    kind: Kind,
    free: bool,
}

impl Display for Paint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let colour = if self.kind == Kind::Down { DOWN } else { UP };
        match (self.kind, self.free) {
            (Kind::Free, _) => {
                f.write_str(r#"fill="none" stroke="currentColor" stroke-width="1" stroke-dasharray="2 2""#)
            }
            (_, true) => write!(
                f,
                r#"fill="{colour}" fill-opacity="0.12" stroke="{colour}" stroke-width="1" stroke-dasharray="2 2""#
            ),
            (Kind::Down, false) => write!(f, r#"fill="{DOWN}""#),
            (Kind::Up, false) => write!(f, r#"fill="url(#{}-up)" stroke="{UP}" stroke-width="1""#, self.id),
        }
    }
}

impl Display for Drawing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.bars.is_empty() {
            return self.nothing(f);
        }
        self.head(f)?;
        self.scale(f)?;
        for bar in &self.bars {
            self.bar(f, bar)?;
        }
        f.write_str("<g font-size=\"11\" text-anchor=\"middle\" fill-opacity=\"0.75\">\n")?;
        for (x, text) in &self.labels {
            writeln!(f, r#"<text x="{x}" y="{}">{}</text>"#, self.bottom + 16, Text(text))?;
        }
        f.write_str("</g>\n<g font-size=\"11\">\n")?;
        for Period { x, at_end, text, .. } in &self.periods {
            let anchor = if *at_end { r#" text-anchor="end""# } else { "" };
            writeln!(f, r#"<text x="{x}" y="{}"{anchor}>{}</text>"#, self.bottom + 33, Text(text))?;
        }
        f.write_str("</g>\n</svg>")
    }
}

impl Drawing<'_> {
    /// What opens the picture, its names, what the hatching is, and the legend.
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (id, pad, height) = (self.id, self.pad, self.bottom + 42);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"turnpike-chart\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" width=\"100%\" height=\"{height}\" \
             style=\"display:block;box-sizing:border-box;width:100%;height:{height}px;padding:0 6px 0 {pad}px;overflow:visible\" \
             font-size=\"12\" fill=\"currentColor\">"
        )?;
        self.names(f)?;
        writeln!(
            f,
            "<defs><pattern id=\"{id}-up\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"{UP}\" fill-opacity=\"0.2\"/>\
             <rect width=\"2\" height=\"5\" fill=\"{UP}\"/></pattern></defs>"
        )?;
        for Legend { kind, x, y, text } in &self.legend {
            let paint = Paint { id, kind: *kind, free: false };
            write!(f, r#"<rect x="{x}" y="{}" width="11" height="11" rx="1.5" {paint}/>"#, y - 10)?;
            writeln!(f, r#"<text x="{}" y="{y}">{}</text>"#, x + super::SWATCH, Text(text))?;
        }
        Ok(())
    }

    /// For whoever cannot see it.
    fn names(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let id = self.id;
        writeln!(f, r#"<title id="{id}-title">{}</title>"#, Text(self.title))?;
        writeln!(f, r#"<desc id="{id}-desc">{}</desc>"#, Text(&self.summary))
    }

    fn scale(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<g font-size=\"11\" text-anchor=\"end\" fill-opacity=\"0.75\">\n")?;
        writeln!(f, r#"<text x="-7" y="{}">GB</text>"#, self.top - 12)?;
        for (y, label) in &self.ticks {
            writeln!(f, r#"<text x="-7" y="{y}" dy="4">{label}</text>"#)?;
        }
        f.write_str("</g>\n<g stroke=\"currentColor\" stroke-opacity=\"0.16\" shape-rendering=\"crispEdges\">\n")?;
        let mut zero = r#" stroke-opacity="0.6""#;
        for (y, _) in &self.ticks {
            writeln!(f, r#"<line x1="0%" x2="100%" y1="{y}" y2="{y}"{zero}/>"#)?;
            zero = "";
        }
        for x in self.periods.iter().filter_map(|period| period.line) {
            let bottom = self.bottom;
            writeln!(f, r#"<line x1="{x}" x2="{x}" y1="{bottom}" y2="{}" stroke-opacity="0.6"/>"#, bottom + 5)?;
        }
        f.write_str("</g>\n")
    }

    /// A slot's hover text, the room that shows it, and what was moved each way.
    fn bar(&self, f: &mut Formatter<'_>, bar: &Bar) -> fmt::Result {
        let (top, slot, width) = (self.top, self.slot, self.width);
        write!(f, r#"<g><title>{}</title><rect x="{}" y="{top}" width="{slot}""#, Text(&bar.tip), bar.x)?;
        write!(f, r#" height="{}" fill="none" pointer-events="all"/>"#, self.bottom - top)?;
        for Part { kind, free, x, y, height } in &bar.parts {
            let paint = Paint { id: self.id, kind: *kind, free: *free };
            write!(f, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" {paint}/>"#)?;
        }
        f.write_str("</g>\n")
    }

    /// A sentence in place of a picture.
    fn nothing(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let id = self.id;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"turnpike-chart\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" width=\"100%\" height=\"72\" \
             style=\"display:block;width:100%;height:72px\" font-size=\"14\" fill=\"currentColor\">"
        )?;
        self.names(f)?;
        let summary = Text(&self.summary);
        write!(f, "<text x=\"50%\" y=\"40\" text-anchor=\"middle\" fill-opacity=\"0.75\">{summary}</text>\n</svg>")
    }
}
