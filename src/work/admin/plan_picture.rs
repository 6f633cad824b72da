//! A plan as a picture: how the speed steps down as traffic is used. Numbers and words of ours alone, so that it may stand
//! in a page as it is; it takes the page's own text colour and loads nothing.

use crate::{
    plan::{
        Plan,
        form::{bytes_text, speed_text},
        terms::Tier,
    },
    units::{Bytes, Gigabyte, Kbps},
};
use std::fmt::Write;

const WIDE: u64 = 320;
const HIGH: u64 = 150;
/// Where the plot begins and ends.
const LEFT: u64 = 46;
const RIGHT: u64 = 312;
const TOP: u64 = 12;
const FLOOR: u64 = 122;
const COLOUR: &str = "#2a78cf";
const MARK: &str = "#c2620e";

/// The steps of the download by the day's traffic and by the cycle's; a mark stands where so much was used. Kinds without a
/// tier are left out; a plan without any is a line.
pub(super) fn draw(plan: &Plan, used: Option<(Bytes, Bytes)>, gb: Gigabyte) -> String {
    let mut kinds = Vec::new();
    if plan.daily.iter().any(|it| it.is_enabled()) {
        kinds.push(("used today", plan.daily.as_slice(), used.map(|it| it.0)));
    }
    if plan.monthly.iter().any(|it| it.is_enabled()) || kinds.is_empty() {
        kinds.push(("used this cycle", plan.monthly.as_slice(), used.map(|it| it.1)));
    }
    kinds.into_iter().map(|(of, tiers, used)| steps(of, plan.speed.down, tiers, used, gb)).collect()
}

/// What the plot is scaled by.
struct Scale {
    most_used: u64,
    most_kbps: u64,
}

impl Scale {
    fn x(&self, used: u64) -> u64 {
        let share = u128::from(used.min(self.most_used)) * u128::from(RIGHT - LEFT) / u128::from(self.most_used.max(1));
        LEFT + u64::try_from(share).unwrap_or(RIGHT - LEFT)
    }

    fn y(&self, kbps: u64) -> u64 {
        FLOOR - kbps.min(self.most_kbps) * (FLOOR - TOP) / self.most_kbps.max(1)
    }
}

fn steps(of: &str, full: Kbps, tiers: &[Tier], used: Option<Bytes>, gb: Gigabyte) -> String {
    let tiers: Vec<&Tier> = tiers.iter().filter(|it| it.is_enabled()).collect();
    let last = tiers.last().map_or(1, |it| it.threshold.0);
    let fastest = tiers.iter().map(|it| u64::from(it.speed.down.0)).max().unwrap_or(1);
    // Unlimited is drawn above every number.
    let top = if full.is_unlimited() { fastest * 3 / 2 + 1 } else { u64::from(full.0) };
    let scale =
        Scale { most_used: last.saturating_add(last / 4).max(used.map_or(0, |it| it.0)).max(1), most_kbps: top };
    let mut line = format!("M{} {}", scale.x(0), scale.y(top));
    let mut words = format!("{} at first", told(full));
    let mut labels = String::new();
    for tier in &tiers {
        let (x, y) = (scale.x(tier.threshold.0), scale.y(tier.speed.down.0.into()));
        let (from, speed) = (bytes_text(tier.threshold, gb), told(tier.speed.down));
        let _ = write!(line, "H{x}V{y}");
        let _ = write!(words, ", {speed} from {from} on");
        let _ = write!(labels, "<text x=\"{}\" y=\"{}\">{speed}</text>", x + 3, y.saturating_sub(4));
    }
    let _ = write!(line, "H{RIGHT}");
    let first = format!("<text x=\"{}\" y=\"{}\">{}</text>", LEFT + 3, TOP + 12, told(full));
    let ends = tiers.last().map_or_else(String::new, |it| {
        let (x, text) = (scale.x(it.threshold.0), bytes_text(it.threshold, gb));
        format!("<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", FLOOR + 14)
    });
    let mark = used.map_or_else(String::new, |used| {
        let x = scale.x(used.0);
        format!("<path d=\"M{x} {TOP}V{FLOOR}\" stroke=\"{MARK}\" stroke-width=\"2\" stroke-dasharray=\"4 3\" fill=\"none\"/>")
    });
    format!(
        "<svg viewBox=\"0 0 {WIDE} {HIGH}\" role=\"img\" aria-label=\"Download by traffic {of}: {words}.\" \
         font-size=\"10\" fill=\"currentColor\"><path d=\"M{LEFT} {TOP}V{FLOOR}H{RIGHT}\" stroke=\"currentColor\" \
         stroke-opacity=\"0.4\" fill=\"none\"/><path d=\"{line}\" stroke=\"{COLOUR}\" stroke-width=\"3\" fill=\"none\"/>{mark}\
         {first}{labels}{ends}<text x=\"{}\" y=\"{FLOOR}\" text-anchor=\"end\">0</text>\
         <text x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">{of}</text></svg>",
        LEFT - 5,
        FLOOR + 27,
    )
}

fn told(kbps: Kbps) -> String {
    if kbps.is_unlimited() { "unlimited".to_owned() } else { speed_text(kbps) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Speed;

    #[test]
    fn each_step_is_drawn_and_told_and_the_mark_stands_where_it_belongs() {
        let mut plan = Plan { speed: Speed::new(10_000, 2_000), ..Plan::default() };
        plan.monthly[0] = Tier { threshold: Bytes(80 << 30), speed: Speed::new(4_000, 1_000) };
        plan.monthly[3] = Tier { threshold: Bytes(160 << 30), speed: Speed::new(1_000, 500) };
        let drawn = draw(&plan, Some((Bytes::ZERO, Bytes(80 << 30))), Gigabyte::Binary);
        assert_eq!(drawn.matches("<svg").count(), 1, "there is no daily tier");
        assert!(drawn.contains("cycle: 10M at first, 4M from 80 GB on, 1M from 160 GB on."), "{drawn}");
        let line = "M46 12H152V78H258V111H312";
        assert!(drawn.contains(line), "{drawn}");
        assert!(drawn.contains("M152 12V122"), "{drawn}");
    }

    #[test]
    fn plans_without_a_tier_or_a_limit_can_be_drawn() {
        let flat = draw(&Plan::default(), None, Gigabyte::Binary);
        assert!(flat.contains("unlimited at first"), "{flat}");
        let mut plan = Plan::default();
        plan.daily[5] = Tier { threshold: Bytes(u64::MAX), speed: Speed::new(u32::MAX, u32::MAX) };
        plan.monthly[0] = Tier { threshold: Bytes(1), speed: Speed::new(1, 1) };
        assert_eq!(draw(&plan, None, Gigabyte::Decimal).matches("<svg").count(), 2);
    }
}
